// SPDX-License-Identifier: Apache-2.0

// Package heap tells the garbage collector how far the heap of a process may grow.
package heap

import (
	"runtime"
	"runtime/debug"
)

// Bound lets the heap grow by percent of what is alive, or by atLeast bytes where that is
// more, until release is called.
//
// A low percentage bounds what is lost to garbage beside large buffers. With a small heap it
// alone would have the collector run after each few hundred KiB, and the collector scans all
// that is alive each time. The runtime has no setting for such a lower bound. A block that
// counts as alive, and of which no page is ever touched, is one: it takes address space and
// no memory.
func Bound(percent, atLeast int) (release func()) {
	before := debug.SetGCPercent(percent)
	idle := make([]byte, atLeast*100/percent)
	return func() {
		runtime.KeepAlive(idle)
		debug.SetGCPercent(before)
	}
}
