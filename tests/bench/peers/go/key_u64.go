// SPDX-License-Identifier: MIT
//go:build u64

package main

const kind = "u64"

type key = uint64

type keys []uint64

func newKeys(n int) keys                { return make(keys, n) }
func (k keys) set(i int, number uint64) { k[i] = keyNumber(number) }
func (k keys) at(i int) key             { return k[i] }
