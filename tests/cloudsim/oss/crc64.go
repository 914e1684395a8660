// SPDX-License-Identifier: Apache-2.0

package oss

import "hash/crc64"

// one and xToThe8 are the polynomials 1 and x^8 as a reflected CRC holds them: the highest bit is the lowest power.
const (
	one     uint64 = 1 << 63
	xToThe8 uint64 = 1 << 55
)

// combineCRC64 returns the CRC64 (ECMA, as OSS reports it) of two byte sequences one after the other, from the
// CRC64 of each and the length of the second. Appending n bytes multiplies the first one's polynomial by x^8n.
func combineCRC64(first, second uint64, secondSize int64) uint64 {
	shift, square := one, xToThe8
	for n := secondSize; n > 0; n >>= 1 {
		if n&1 == 1 {
			shift = multiplyCRC64(shift, square)
		}
		square = multiplyCRC64(square, square)
	}
	return multiplyCRC64(shift, first) ^ second
}

// multiplyCRC64 multiplies two polynomials over GF(2) modulo the ECMA polynomial, all in reflected form.
func multiplyCRC64(a, b uint64) uint64 {
	var product uint64
	for bit := one; bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		carry := b & 1
		b >>= 1
		if carry == 1 {
			b ^= crc64.ECMA
		}
	}
	return product
}
