// SPDX-License-Identifier: MIT

// The harness of harness.h and cells.h for Go's maps: same keys, same streams, same mixes,
// same lines of output. One program per map and kind of key, chosen by build tags, so that
// calls are direct. Threads of a cell of one or two are locked and pinned as there; the 64
// are goroutines. The collector runs as it does in any program.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

var (
	size        = 1000
	streamsDir  = "."
	mixes       = "hit"
	shortWindow = 25 * time.Millisecond
	longWindow  = 100 * time.Millisecond
)

func die(what ...any) {
	fmt.Fprintln(os.Stderr, append([]any{"peer:"}, what...)...)
	os.Exit(1)
}

func parse(args []string) {
	for _, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		number, err := strconv.Atoi(value)
		switch {
		case ok && name == "streams":
			streamsDir = value
		case ok && name == "mixes":
			mixes = value
		case ok && err == nil && name == "size":
			size = number
		case ok && err == nil && name == "window":
			shortWindow = time.Duration(number) * time.Millisecond
		case ok && err == nil && name == "long":
			longWindow = time.Duration(number) * time.Millisecond
		case ok && err == nil && name == "variant":
		default:
			die("unknown argument", arg)
		}
	}
}

func anonymousBytes() int {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range bytes.Split(status, []byte("\n")) {
		fields := strings.Fields(string(line))
		if len(fields) > 1 && fields[0] == "RssAnon:" {
			kib, _ := strconv.Atoi(fields[1])
			return kib * 1024
		}
	}
	return 0
}

// runBytes: memory after a collection, returned to the system, as the map's share.
func runBytes(b *bench) {
	b.prepare()
	debug.FreeOSMemory()
	before := anonymousBytes()
	b.build()
	debug.FreeOSMemory()
	fmt.Printf("%s %d bytes %.2f\n", kind, size, float64(anonymousBytes()-before)/float64(size))
	runtime.KeepAlive(b)
}

// runRebuild times the first new key after a promotion: dirtyLocked.
func runRebuild(b *bench) {
	b.prepare()
	b.build()
	fresh := makeKeys(freshKeys, 16)
	for i := 0; promotes && i < 9; i++ {
		b.m.settle()
		start := time.Now()
		b.m.store(fresh.at(i), &b.boxes[0])
		fmt.Printf("%s %d rebuild %d\n", kind, size, time.Since(start).Nanoseconds())
	}
}

func main() {
	if len(os.Args) < 2 {
		die("usage: cells|bytes|rebuild [NAME=VALUE...]")
	}
	parse(os.Args[2:])
	b := &bench{}
	switch os.Args[1] {
	case "cells":
		runCells(b)
	case "bytes":
		runBytes(b)
	case "rebuild":
		runRebuild(b)
	default:
		die("unknown mode", os.Args[1])
	}
}
