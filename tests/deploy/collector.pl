#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# In the place of the pod's collector: takes each request, and prints it as one line of base64.
use strict;
use warnings;
use IO::Socket::INET;
use MIME::Base64;

$| = 1;
$SIG{TERM} = sub { exit 0 };
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1:4318', Listen => 8, ReuseAddr => 1)
	or die "cannot listen: $!";
while (my $client = $server->accept) {
	my $length = 0;
	while (my $line = <$client>) {
		$length = $1 if $line =~ /^content-length:\s*(\d+)/i;
		next if $line ne "\r\n";
		last if read($client, my $body, $length) != $length;
		print encode_base64($body, ''), "\n";
		print $client "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
	}
}
