// SPDX-License-Identifier: Apache-2.0

// Package wildcard matches the patterns of RAM policies and of fault rules.
package wildcard

// Match reports whether s matches the pattern as a whole. In a pattern, "*" stands for any number of bytes, "?" for
// exactly one; nothing else is special.
func Match(pattern, s string) bool {
	p, i := 0, 0
	star, mark := -1, 0
	for i < len(s) {
		switch {
		// The star is looked at first: it is a wildcard also where s has a literal star.
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			// The last star takes one byte more, and matching goes on behind it.
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
