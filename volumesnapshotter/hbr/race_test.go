// SPDX-License-Identifier: Apache-2.0

//go:build race

package hbr

// raceEnabled tells whether the race detector watches, which makes all slower.
const raceEnabled = true
