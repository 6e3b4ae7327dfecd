// SPDX-License-Identifier: MIT
//go:build go_sync

package main

import "sync"

const promotes = true

// goMap is sync.Map as it is. Its Store allocates: the key's and the value's interface.
type goMap struct{ m sync.Map }

func (g *goMap) load(k key) (any, bool) { return g.m.Load(k) }
func (g *goMap) store(k key, v any)     { g.m.Store(k, v) }
func (g *goMap) erase(k key) bool       { _, was := g.m.LoadAndDelete(k); return was }

// settle promotes, if dirty has new keys.
func (g *goMap) settle() { g.m.Range(func(k, v any) bool { return false }) }
