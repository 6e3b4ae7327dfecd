# SPDX-License-Identifier: MIT
# table.awk - the tables of peers.sh from its raw lines:
#	cell REPEAT PEER KIND N THREADS DIST MIX NS WAIT
#	once PEER KIND N bytes|rebuild VALUE
#	once PEER KIND latency|longest WHO STAGE [SLOT] VALUE
# A figure is the median over the repeats, or (stat=min) the best of them. The limit of a cell is the faster of the flat maps
# for one thread. A geometric mean is over kinds of key, sizes and distributions; in
# brackets the lowest and highest of the same mean of single repeats.

function sort_numbers(v, n,	i, j, x) {
	for (i = 2; i <= n; i++) {
		x = v[i] + 0
		for (j = i - 1; j > 0 && v[j] + 0 > x; j--) v[j + 1] = v[j]
		v[j + 1] = x
	}
}
function list_stat(list, what,	v, n) {
	n = split(list, v, " ")
	if (!n) return 0
	sort_numbers(v, n)
	if (what == "min") return v[1] + 0
	if (what == "max") return v[n] + 0
	return n % 2 ? v[(n + 1) / 2] + 0 : (v[n / 2] + v[n / 2 + 1]) / 2
}
function add_new(list, word) { return index(" " list " ", " " word " ") ? list : list (list == "" ? "" : " ") word }

BEGIN { if (stat == "") stat = "median" }

$1 == "cell" {
	key = $3 SUBSEP $4 SUBSEP $5 SUBSEP $6 SUBSEP $7 SUBSEP $8
	all[key] = all[key] " " $9
	one[$2, key] = $9
	repeats = add_new(repeats, $2)
	peers = add_new(peers, $3)
	kinds = add_new(kinds, $4)
	sizes = add_new(sizes, $5)
	mixes = add_new(mixes, $8)
	if ($6 + 0 <= 2 && $8 !~ /^(build|churn|amended)$/) { calm[$10 + 0 > 0.05]++ }
}
$1 == "once" && ($5 == "bytes" || $5 == "rebuild") { once[$2, $3, $5] = once[$2, $3, $5] " " $6 }
$1 == "once" && $4 == "latency" { slot[$2, $3, $5, $6, $7] = $8; slots[$2, $3, $7] = 1; timed = add_new(timed, $2) }
$1 == "once" && $4 == "longest" { longest[$2, $3, $5, $6] = $7 }

# The figure of a cell: of one repeat, or the median.
function figure(peer, kind, n, threads, dist, mix, rep,	key) {
	key = peer SUBSEP kind SUBSEP n SUBSEP threads SUBSEP dist SUBSEP mix
	if (rep != "") return one[rep, key] + 0
	if (!(key in median)) median[key] = list_stat(all[key], stat)
	return median[key]
}
function limit(kind, n, dist, mix,	a, b) {
	a = figure("absl", kind, n, 1, dist, mix, "")
	b = figure("boost", kind, n, 1, dist, mix, "")
	return a && (a < b || !b) ? a : b
}
# of: "limit" = time over the limit's; "scale" = throughput of two threads over one, over the array's
function quotient(of, peer, kind, n, dist, mix, rep,	a, b, c, d) {
	a = figure(peer, kind, n, 1, dist, mix, rep)
	if (of == "limit") {
		b = limit(kind, n, dist, mix)
		return b ? a / b : 0
	}
	b = figure(peer, kind, n, 2, dist, mix, rep)
	c = figure("array", kind, n, 1, dist, mix, rep)
	d = figure("array", kind, n, 2, dist, mix, rep)
	return b && c ? (a / b) / (c / d) : 0
}
function mean(of, peer, mixlist, rep,	m, nm, k, nk, s, ns, d, nd, i, x, sum, count) {
	nm = split(mixlist, m, " "); nk = split(kinds, k, " "); ns = split(sizes, s, " ")
	nd = split("uniform zipf", d, " ")
	for (i = 0; i < nm * nk * ns * nd; i++) {
		x = quotient(of, peer, k[int(i / nm) % nk + 1], s[int(i / nm / nk) % ns + 1],
			d[int(i / nm / nk / ns) + 1], m[i % nm + 1], rep)
		if (x > 0) { sum += log(x); count++ }
	}
	return count ? exp(sum / count) : 0
}
function mean_text(of, peer, mixlist,	r, n, i, x, list) {
	x = mean(of, peer, mixlist, "")
	if (!x) return "-"
	if (stat == "min") return sprintf("%.2fx", x)
	n = split(repeats, r, " ")
	for (i = 1; i <= n; i++) list = list " " mean(of, peer, mixlist, r[i])
	return sprintf("%.2fx (%.2f-%.2f)", x, list_stat(list, "min"), list_stat(list, "max"))
}
function is_rival(peer) { return peer !~ /^(array|absl|boost|smap)/ }

function best_text(of, mixlist,	p, n, i, x, best, name) {
	n = split(peers, p, " ")
	for (i = 1; i <= n; i++) {
		if (!is_rival(p[i])) continue
		x = mean(of, p[i], mixlist, "")
		if (x && (!best || (of == "limit" ? x < best : x > best))) { best = x; name = p[i] }
	}
	return best ? sprintf("%.2fx %s", best, name) : "-"
}
function row(what, goal, of, mixlist) {
	printf "| %s | %s | %s | %s | %s |\n", what, goal, mean_text(of, "smap", mixlist),
		mean_text(of, "smap-tuned", mixlist), best_text(of, mixlist)
}

# --- 64 threads -------------------------------------------------------------------------

function matrix(peer, n, dist,	ns) {
	ns = figure(peer, "str16", n, 64, dist, "boxed", "")
	return ns ? 64000 / ns : 0
}
function best_rival(n, dist,	p, k, i, x, best) {
	k = split(peers, p, " ")
	rival = "-"
	for (i = 1; i <= k; i++) {
		x = is_rival(p[i]) ? matrix(p[i], n, dist) : 0
		if (x > best) { best = x; rival = p[i] }
	}
	return best
}
function columns_text(peer,	s, ns, i, d, x, best, first, count, sum) {
	ns = split(sizes, s, " ")
	for (i = 0; i < 2 * ns; i++) {
		d = i < ns ? "uniform" : "zipf"
		x = matrix(peer, s[i % ns + 1], d); best = best_rival(s[i % ns + 1], d)
		if (!x || !best) continue
		count++
		sum += log(x / best)
		if (x >= 0.95 * best) first++
	}
	return count ? sprintf("%d of %d, %.2fx the best peer", first, count, exp(sum / count)) : "-"
}
function best_columns(	s, ns, i, list) {
	ns = split(sizes, s, " ")
	for (i = 0; i < 2 * ns; i++) {
		best_rival(s[i % ns + 1], i < ns ? "uniform" : "zipf")
		list = add_new(list, rival)
	}
	return list
}
function print_matrix(	s, ns, p, np, i, j, line) {
	ns = split(sizes, s, " "); np = split(peers, p, " ")
	print "\n64 threads, 95/5, 16-byte strings to boxed integers: million operations per second"
	line = "| peer |"
	for (i = 0; i < 2 * ns; i++) line = line sprintf(" %s %s |", i < ns ? "uniform" : "zipf", s[i % ns + 1])
	print line
	gsub(/[^|]+/, "---", line); print line
	for (j = 1; j <= np; j++) {
		line = ""
		for (i = 0; i < 2 * ns; i++)
			line = line sprintf(" %.2f |", matrix(p[j], s[i % ns + 1], i < ns ? "uniform" : "zipf"))
		if (line ~ /[1-9]/) print "| " p[j] " |" line
	}
}

# --- once per process ---------------------------------------------------------------------

function once_of(peer, kind, what) { return list_stat(once[peer, kind, what], "median") }
function bytes_text(peer) {
	return once_of(peer, "u64", "bytes") ? sprintf("%.0f / %.0f", once_of(peer, "u64", "bytes"),
		once_of(peer, "str16", "bytes")) : "-"
}
function best_bytes(	p, n, i, k, kind, x, best, text) {
	n = split(peers, p, " ")
	for (k = 0; k < 2; k++) {
		kind = k ? "str16" : "u64"; best = 0
		for (i = 1; i <= n; i++) {
			x = is_rival(p[i]) ? once_of(p[i], kind, "bytes") : 0
			if (x > 0 && (!best || x < best)) { best = x; rival = p[i] }
		}
		text = text (k ? " / " : "") (best ? sprintf("%.0f %s", best, rival) : "-")
	}
	return text
}
function rebuild_text(peer,	kinds2, k, text, a, b) {
	split("u64 str16", kinds2, " ")
	for (k = 1; k <= 2; k++) {
		a = once_of("go-sync", kinds2[k], "rebuild"); b = once_of(peer, kinds2[k], "rebuild")
		if (!a || !b) continue
		text = text (text ? " / " : "") sprintf("%.0fx (%.2f ms)", a / b, b / 1e6)
	}
	return text ? text : "-"
}
function go_rebuild_text() {
	return once["go-sync", "u64", "rebuild"] ? sprintf("1x (%.0f / %.0f ms)",
		once_of("go-sync", "u64", "rebuild") / 1e6, once_of("go-sync", "str16", "rebuild") / 1e6) : "-"
}
function longest_text(peer,	who, stage, w, s, i, j, x) {
	split("reader writer", w, " "); split("grow promote rebuild quiet", s, " ")
	for (i = 1; i <= 2; i++) for (j = 1; j <= 3; j++) {
		x = longest[peer, "u64", w[i], s[j]] + 0
		if (x > most[peer, i]) most[peer, i] = x
	}
	return most[peer, 2] ? sprintf("reader %.2f ms, writer %.2f ms", most[peer, 1] / 1e6, most[peer, 2] / 1e6) : "-"
}
function many_text(peer,	s, n, i, d, a, b, text) {
	n = split(sizes, s, " ")
	for (i = 0; i < 2; i++) {
		d = i ? "zipf" : "uniform"
		a = figure(peer, "u64", s[n], 1, d, "hit", ""); b = figure(peer, "u64", s[n], 1, d, "many", "")
		if (a && b) text = text (text ? ", " : "") sprintf("%.2fx %s", a / b, d)
	}
	return text ? text : "-"
}
function print_latency(peer, kind,	w, s, i, j, k, line, any) {
	split("reader writer", w, " "); split("grow promote rebuild quiet", s, " ")
	printf "\n%s, %s keys: single operations by their time, while a map grows to 1M keys, promotes and rebuilds (two clock reads, about 50 ns, included)\n", peer, kind
	print "| up to | reader: grow | promote | rebuild | quiet | writer: grow | promote | rebuild | quiet |"
	print "|---|---|---|---|---|---|---|---|---|"
	for (k = 0; k < 40; k++) {
		if (!((peer, kind, k) in slots)) continue
		line = sprintf("| %s |", k < 10 ? 2 ^ (k + 1) " ns" : k < 20 ? 2 ^ (k - 9) " us" : 2 ^ (k - 19) " ms")
		for (i = 1; i <= 2; i++) for (j = 1; j <= 4; j++)
			line = line sprintf(" %d |", slot[peer, kind, w[i], s[j], k])
		print line
	}
	line = "| longest, us |"
	for (i = 1; i <= 2; i++) for (j = 1; j <= 4; j++)
		line = line sprintf(" %.1f |", longest[peer, kind, w[i], s[j]] / 1000)
	print line
}

# --- all figures ----------------------------------------------------------------------------

function print_detail(mix, threads, dist,	k, nk, s, ns, p, np, i, j, key, line, any) {
	nk = split(kinds, k, " "); ns = split(sizes, s, " "); np = split(peers, p, " ")
	for (j = 1; j <= np; j++) {
		line = "| " p[j] " |"; any = 0
		for (i = 0; i < nk * ns; i++) {
			key = p[j] SUBSEP k[int(i / ns) + 1] SUBSEP s[i % ns + 1] SUBSEP threads SUBSEP dist SUBSEP mix
			if (all[key] == "") { line = line " - |"; continue }
			any = 1
			line = line sprintf(" %.1f (%.1f-%.1f) |", list_stat(all[key], "median"),
				list_stat(all[key], "min"), list_stat(all[key], "max"))
		}
		if (!any) continue
		if (!head++) {
			printf "\n%s, %s, %s thread%s: ns per operation of a thread\n| peer |", mix, dist, threads, threads == 1 ? "" : "s"
			for (i = 0; i < nk * ns; i++) printf " %s %s |", k[int(i / ns) + 1], s[i % ns + 1]
			printf "\n|---|"
			for (i = 0; i < nk * ns; i++) printf "---|"
			print ""
		}
		print line
	}
	head = 0
}
function print_ratios(	p, n, i, m, nm, j, line) {
	n = split(peers, p, " "); nm = split("hit r99 r95 churn absent amended", m, " ")
	print "\nTime of one thread over the limit's, and throughput of two threads over one (over the array's)"
	print "| peer | hit | 99/1 | 95/5 | churn | absent | amended | scaling on hits |"
	print "|---|---|---|---|---|---|---|---|"
	for (i = 1; i <= n; i++) {
		if (p[i] == "array") continue
		line = ""
		for (j = 1; j <= nm; j++) line = line " " mean_text("limit", p[i], m[j]) " |"
		print "| " p[i] " |" line " " mean_text("scale", p[i], "hit") " |"
	}
}

END {
	if (part == "detail") {
		n = split(mixes, m, " ")
		for (i = 1; i <= n; i++) for (t = 1; t <= 2; t++) for (d = 0; d < 2; d++)
			print_detail(m[i], t, d ? "zipf" : "uniform")
		print_detail("build", 1, "none")
		exit
	}
	print "| measure (geometric mean) | to reach | libsmap | libsmap tuned | best peer |"
	print "|---|---|---|---|---|"
	row("100 % hit, 1 thread, against the flat map for one thread", "<= 1.1x", "limit", "hit")
	row("99/1, likewise", "-", "limit", "r99")
	row("95/5, likewise", "<= 1.3x", "limit", "r95")
	row("90/10 churn, likewise", "<= 2.0x", "limit", "churn")
	row("100 % absent, clean and amended map, likewise", "<= 1.3x", "limit", "absent amended")
	row("- clean alone", "-", "limit", "absent")
	row("- amended alone", "-", "limit", "amended")
	row("2 threads / 1 thread on hits, relative to an array read", ">= 0.98x", "scale", "hit")
	printf "| 64 threads on the machine's processors, 95/5: first or tied | every column | %s | %s | %s |\n", columns_text("smap"), columns_text("smap-tuned"), best_columns()
	printf "| bytes per entry at 1M, u64 / 16-byte string | <= 30 / <= 48 | %s | %s | %s |\n", bytes_text("smap"), bytes_text("smap-tuned"), best_bytes()
	printf "| a rebuild of 1M entries, against Go's dirtyLocked, u64 / string | >= 50x | %s | %s | %s |\n", rebuild_text("smap"), rebuild_text("smap-tuned"), go_rebuild_text()
	printf "| longest operation while 1M entries grow, promote, rebuild | reported | %s | %s | - |\n", longest_text("smap"), longest_text("smap-tuned")
	printf "| smap_load_many_u64 against a loop, largest size | - | %s | %s | - |\n", many_text("smap"), many_text("smap-tuned")
	print "\nboost::concurrent_flat_map: not measured, it needs boost 1.83 and Debian 12 has 1.81."
	printf "%d of %d windows of one or two threads waited for a processor for more than 5 %% of their time.\n", calm[1], calm[0] + calm[1]
	print_ratios()
	print_matrix()
	n = split(timed, p, " ")
	for (i = 1; i <= n; i++) print_latency(p[i], "u64")
}
