// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	streamOps  = 1 << 20
	streams    = 2
	batch      = 64
	maxThreads = 64
	absentKeys = 1 << 32
	freshKeys  = 2 << 32
	retries    = 4
	maxWait    = 0.03
)

var distNames = []string{"uniform", "zipf"}

// writes is the share of overwrites in percent; see MIXES in cells.h.
type mix struct {
	name   string
	writes uint8
	long   bool
	run    func(w *worker) int
}

var allMixes = []mix{
	{"hit", 0, false, (*worker).present},
	{"r99", 1, false, (*worker).present},
	{"r95", 5, false, (*worker).present},
	{"absent", 0, false, (*worker).absent},
	{"boxed", 5, true, (*worker).boxed},
	{"amended", 0, true, (*worker).amended},
	{"churn", 0, true, (*worker).churn},
}

type fresh struct {
	keys    keys
	in, out int
	lag     int
}

type bench struct {
	m           goMap
	base        keys
	hit, absent [2][streams]keys
	dice        [streams][]byte
	fresh       [streams]fresh
	boxes       []int
	boxMask     int
	phase, warm uint32 // atomic
}

type worker struct {
	*bench
	dist, id, threads int
	writes            uint8
	ops, right, all   int
	at, untilAmend    int
	wait              int64
	_                 [128]byte
}

func keyNumber(i uint64) uint64 {
	x := (i + 1) * 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return x ^ (x >> 31)
}

func makeKeys(first uint64, n int) keys {
	k := newKeys(n)
	for i := 0; i < n; i++ {
		k.set(i, first+uint64(i))
	}
	return k
}

func readStream(name string, n, t, bytes int) []byte {
	data, err := os.ReadFile(filepath.Join(streamsDir, fmt.Sprintf("%s-%d-%d", name, n, t)))
	if err != nil || len(data) != bytes {
		die("cannot read the streams: run the program streams first", err)
	}
	return data
}

func (b *bench) readStreams() {
	for t := 0; t < streams; t++ {
		for d := range distNames {
			data := readStream(distNames[d], size, t, 4*streamOps)
			numbers := unsafe.Slice((*uint32)(unsafe.Pointer(&data[0])), streamOps)
			b.hit[d][t], b.absent[d][t] = newKeys(streamOps), newKeys(streamOps)
			for i, number := range numbers {
				b.hit[d][t].set(i, uint64(number))
				b.absent[d][t].set(i, absentKeys+uint64(number))
			}
		}
		lag := size / 8
		if lag > 4096 {
			lag = 4096
		}
		b.fresh[t] = fresh{keys: makeKeys(freshKeys+uint64(t)<<28, streamOps), lag: lag}
		b.dice[t] = readStream("dice", 0, t, streamOps)
	}
}

func (b *bench) prepare() {
	n := 1
	for n < size {
		n *= 2
	}
	b.boxes, b.boxMask = make([]int, n), n-1
	for i := range b.boxes {
		b.boxes[i] = 1
	}
	b.base = makeKeys(0, size)
}

func (b *bench) build() {
	for i := 0; i < size; i++ {
		b.m.store(b.base.at(i), &b.boxes[i&b.boxMask])
	}
	b.m.settle()
}

func (w *worker) next() (int, int) { return w.at, w.id % streams }

func (w *worker) present() (right int) {
	at, t := w.next()
	keys, dice := w.hit[w.dist][t], w.dice[t]
	for j := at; j < at+batch; j++ {
		if dice[j] < w.writes {
			w.m.store(keys.at(j), &w.boxes[j&w.boxMask])
			right++
		} else if _, ok := w.m.load(keys.at(j)); ok {
			right++
		}
	}
	return right
}

// boxed stores integers, which Go boxes with an allocation, and looks at them.
func (w *worker) boxed() (right int) {
	at, t := w.next()
	keys, dice := w.hit[w.dist][t], w.dice[t]
	for j := at; j < at+batch; j++ {
		if dice[j] < w.writes {
			w.m.store(keys.at(j), j+1000)
			right++
			continue
		}
		switch v, _ := w.m.load(keys.at(j)); v := v.(type) {
		case int:
			if v >= 1000 {
				right++
			}
		case *int: // as built
			right += *v
		}
	}
	return right
}

func (w *worker) absent() (right int) {
	at, t := w.next()
	keys := w.bench.absent[w.dist][t]
	for j := at; j < at+batch; j++ {
		if _, ok := w.m.load(keys.at(j)); !ok {
			right++
		}
	}
	return right
}

func (b *bench) freshIn(f *fresh) {
	b.m.store(f.keys.at(f.in%streamOps), &b.boxes[f.in&b.boxMask])
	f.in++
}

func (b *bench) freshOut(f *fresh) bool {
	f.out++
	return b.m.erase(f.keys.at((f.out - 1) % streamOps))
}

func (w *worker) amended() int {
	f := &w.fresh[0]
	if w.id == 0 && w.untilAmend < batch {
		w.untilAmend = size / 16
		if w.untilAmend < batch {
			w.untilAmend = batch
		}
		w.freshIn(f)
		if f.in-f.out > 1 && !w.freshOut(f) {
			die("a key got lost")
		}
	}
	w.untilAmend -= batch
	return w.absent()
}

func (w *worker) churn() (right int) {
	at, t := w.next()
	keys, dice, f := w.hit[w.dist][t], w.dice[t], &w.fresh[t]
	for j := at; j < at+batch; j++ {
		switch {
		case dice[j] >= 10:
			if _, ok := w.m.load(keys.at(j)); ok {
				right++
			}
		case dice[j] < 5 && f.in-f.out < 2*f.lag || dice[j] >= 5 && f.in == f.out:
			w.freshIn(f)
			right++
		default:
			if w.freshOut(f) {
				right++
			}
		}
	}
	return right
}

func waited() (ns int64) {
	var ran int64
	data, _ := os.ReadFile("/proc/thread-self/schedstat")
	fmt.Sscan(string(data), &ran, &ns)
	return ns
}

// pin locks the goroutine to a thread for good (the thread ends with it) and to a processor.
func (w *worker) pin() {
	if w.threads > streams {
		return
	}
	runtime.LockOSThread()
	cpu := w.id % runtime.NumCPU()
	if w.threads == 1 {
		cpu = runtime.NumCPU() - 1
	}
	var set [16]uint64
	set[cpu/64] = 1 << (cpu % 64)
	syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(set),
		uintptr(unsafe.Pointer(&set)))
}

func (w *worker) loop(run func(*worker) int) {
	seen := uint32(0)
	for n := 0; ; n++ {
		if phase := atomic.LoadUint32(&w.phase); phase != seen {
			if w.threads <= streams {
				w.wait = waited() - w.wait
			}
			if phase == 1 || seen == 0 {
				w.ops = 0
			}
			if phase == 2 {
				return
			}
			seen = phase
		}
		w.right += run(w)
		if n == 0 {
			atomic.AddUint32(&w.warm, 1)
		}
		w.ops += batch
		w.all += batch
		w.at = (w.at + batch) % streamOps
	}
}

// cell repeats what others disturbed, where the collector has nothing to do.
func (b *bench) cell(m mix, dist, threads int) {
	ns, wait := b.window(m, dist, threads)
	again := threads <= streams && (m.name == "hit" || m.name == "absent")
	for i := 1; again && i < retries && wait > maxWait; i++ {
		if nextNs, nextWait := b.window(m, dist, threads); nextWait < wait {
			ns, wait = nextNs, nextWait
		}
	}
	fmt.Printf("%s %d %d %s %s %.3f %.4f\n", kind, size, threads, distNames[dist], m.name, ns, wait)
}

func (b *bench) window(m mix, dist, threads int) (ns, share float64) {
	var done sync.WaitGroup
	b.m.settle()
	atomic.StoreUint32(&b.phase, 0)
	atomic.StoreUint32(&b.warm, 0)
	length, start := shortWindow, make(chan bool)
	if m.long {
		length = longWindow
	}
	workers := make([]worker, threads)
	for i := range workers {
		w := &workers[i]
		*w = worker{bench: b, dist: dist, id: i, threads: threads, writes: m.writes,
			at: i / streams * (streamOps / (maxThreads / streams))}
		done.Add(1)
		go func() {
			defer done.Done()
			w.pin()
			<-start
			w.loop(m.run)
		}()
	}
	close(start)
	time.Sleep(length / 8)
	for threads <= streams && int(atomic.LoadUint32(&b.warm)) < threads {
		time.Sleep(length / 8)
	}
	begin := time.Now()
	atomic.StoreUint32(&b.phase, 1)
	time.Sleep(length)
	atomic.StoreUint32(&b.phase, 2)
	took := time.Since(begin)
	done.Wait()
	ops, wait := 1, int64(0)
	for i := range workers {
		if workers[i].right != workers[i].all {
			die("wrong answers")
		}
		ops += workers[i].ops
		wait += workers[i].wait
	}
	return float64(took.Nanoseconds()) * float64(threads) / float64(ops),
		float64(wait) / float64(threads) / float64(took.Nanoseconds())
}

func runCells(b *bench) {
	b.prepare()
	b.readStreams()
	start := time.Now()
	b.build()
	fmt.Printf("%s %d 1 none build %.3f 0\n", kind, size,
		float64(time.Since(start).Nanoseconds())/float64(size))
	runtime.GC() // what the set-up left
	for _, m := range allMixes {
		if !strings.Contains(","+mixes+",", ","+m.name+",") {
			continue
		}
		for dist := range distNames {
			if m.name == "boxed" {
				if kind == "str16" {
					b.cell(m, dist, maxThreads)
				}
				continue
			}
			b.cell(m, dist, 1)
			b.cell(m, dist, 2)
		}
	}
}
