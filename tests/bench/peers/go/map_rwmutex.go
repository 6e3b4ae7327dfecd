// SPDX-License-Identifier: MIT
//go:build go_rwmutex

package main

import "sync"

const promotes = false

// goMap is Go's own map behind a sync.RWMutex, with a typed key.
type goMap struct {
	mu sync.RWMutex
	m  map[key]any
}

func (g *goMap) load(k key) (any, bool) {
	g.mu.RLock()
	v, ok := g.m[k]
	g.mu.RUnlock()
	return v, ok
}

func (g *goMap) store(k key, v any) {
	g.mu.Lock()
	if g.m == nil {
		g.m = map[key]any{}
	}
	g.m[k] = v
	g.mu.Unlock()
}

func (g *goMap) erase(k key) bool {
	g.mu.Lock()
	_, was := g.m[k]
	delete(g.m, k)
	g.mu.Unlock()
	return was
}

func (g *goMap) settle() {}
