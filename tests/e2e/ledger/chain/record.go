// SPDX-License-Identifier: Apache-2.0

// Package chain is a sequence of records on disk of which nothing can be lost or torn unseen: each has a number, the hash of
// the one before, content that follows from both, and a sum.
//
// Records are appended to segments: files of a directory, of which each but the last is full. Their size divides that of a
// page, and they are aligned to it, so that a copy of the directory at one instant has whole records only, and so has one that
// is read file by file in the order of their names while records are written.
package chain

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Size is that of a record in bytes.
const Size = 512

// The layout of a record. Numbers are big-endian.
const (
	magicAt    = 0
	sequenceAt = magicAt + len(magic)
	timeAt     = sequenceAt + 8
	chainAt    = timeAt + 8
	previousAt = chainAt + 8
	payloadAt  = previousAt + sha256.Size
	sumAt      = Size - sha256.Size
)

const magic = "LEDGER\x00\x01"

// Hash is the sum of a record, by which the next one is bound to it.
type Hash [sha256.Size]byte

// String returns the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns the form of String.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads the form of String.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return fmt.Errorf("a hash has %d digits, not %d", hex.EncodedLen(len(h)), len(text))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// Record is one of a chain.
type Record struct {
	// Sequence counts from 1.
	Sequence uint64
	Time     time.Time
	// Chain is the number of the chain, by which one is told from another.
	Chain uint64
	// Previous is the hash of the record before, zero for the first.
	Previous Hash
}

// Encode returns a record as it is on disk, and its hash.
func (r Record) Encode() ([]byte, Hash) {
	b := make([]byte, Size)
	copy(b[magicAt:], magic)
	binary.BigEndian.PutUint64(b[sequenceAt:], r.Sequence)
	binary.BigEndian.PutUint64(b[timeAt:], uint64(r.Time.UnixNano()))
	binary.BigEndian.PutUint64(b[chainAt:], r.Chain)
	copy(b[previousAt:], r.Previous[:])
	copy(b[payloadAt:sumAt], r.payload())
	sum := sha256.Sum256(b[:sumAt])
	copy(b[sumAt:], sum[:])
	return b, sum
}

// payload is the content, which differs from record to record in all of its bytes.
func (r Record) payload() []byte {
	seed := [32]byte{}
	binary.BigEndian.PutUint64(seed[:], r.Chain)
	binary.BigEndian.PutUint64(seed[8:], r.Sequence)
	b := make([]byte, sumAt-payloadAt)
	_, _ = rand.NewChaCha8(seed).Read(b) // It never fails.
	return b
}

// errTorn is why something is no record.
var errTorn = errors.New("torn")

// Parse reads a record, and returns its hash. The error says what is wrong with it.
func Parse(b []byte) (Record, Hash, error) {
	switch {
	case len(b) != Size:
		return Record{}, Hash{}, fmt.Errorf("%w: %d bytes of %d", errTorn, len(b), Size)
	case string(b[magicAt:sequenceAt]) != magic:
		return Record{}, Hash{}, fmt.Errorf("%w: it does not begin as a record", errTorn)
	}
	sum := Hash(sha256.Sum256(b[:sumAt]))
	if !bytes.Equal(sum[:], b[sumAt:]) {
		return Record{}, Hash{}, fmt.Errorf("%w: the sum is wrong", errTorn)
	}
	r := Record{
		Sequence: binary.BigEndian.Uint64(b[sequenceAt:]),
		Time:     time.Unix(0, int64(binary.BigEndian.Uint64(b[timeAt:]))).UTC(),
		Chain:    binary.BigEndian.Uint64(b[chainAt:]),
		Previous: Hash(b[previousAt:payloadAt]),
	}
	if !bytes.Equal(r.payload(), b[payloadAt:sumAt]) {
		return Record{}, Hash{}, fmt.Errorf("%w: the content is not that of record %d", errTorn, r.Sequence)
	}
	return r, sum, nil
}
