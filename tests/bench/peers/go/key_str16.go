// SPDX-License-Identifier: MIT
//go:build str16

package main

import (
	"reflect"
	"unsafe"
)

const kind = "str16"

type key = string

// keys holds 16 bytes for each key, in a row, without pointers for the collector to follow.
type keys []byte

func newKeys(n int) keys { return make(keys, 16*n) }

func (k keys) set(i int, number uint64) {
	x := keyNumber(number)
	for j := 0; j < 16; j++ {
		k[16*i+j] = "0123456789abcdef"[x>>(60-4*j)&15]
	}
}

// at makes the string header only: the bytes stay where they are.
func (k keys) at(i int) key {
	var s string
	h := (*reflect.StringHeader)(unsafe.Pointer(&s))
	h.Data = uintptr(unsafe.Pointer(&k[16*i]))
	h.Len = 16
	return s
}
