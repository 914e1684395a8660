// SPDX-License-Identifier: Apache-2.0

package chain_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger/chain"
)

// perSegment is how many records a segment has.
const perSegment = 1024

func start() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// record is one that is valid by itself.
func record() chain.Record {
	return chain.Record{Sequence: 7, Time: start().Add(7), Chain: 42, Previous: chain.Hash{1, 2, 3}}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	block, hash := record().Encode()
	got, gotHash, err := chain.Parse(block)
	check(t, err)
	if diff := cmp.Diff(record(), got); diff != "" || gotHash != hash || len(block) != chain.Size {
		t.Errorf("%d bytes, hash %v, want %v (-want +got):\n%s", len(block), gotHash, hash, diff)
	}
	var again chain.Hash
	check(t, again.UnmarshalText([]byte(hash.String())))
	if again != hash || again.UnmarshalText([]byte("1")) == nil {
		t.Errorf("the hash %v is read as %v", hash, again)
	}
}

func TestEveryByteOfARecordCounts(t *testing.T) {
	t.Parallel()
	block, _ := record().Encode()
	for i := range block {
		changed := bytes.Clone(block)
		changed[i] ^= 0x10
		if _, _, err := chain.Parse(changed); err == nil {
			t.Errorf("byte %d can be changed", i)
		}
		if _, _, err := chain.Parse(block[:i]); err == nil {
			t.Errorf("%d bytes are a record", i)
		}
	}
	if _, _, err := chain.Parse(append(block, 0)); err == nil {
		t.Error("a byte more is a record")
	}
}

// FuzzParse holds that what is read as a record is one: written again it is the same.
func FuzzParse(f *testing.F) {
	block, _ := record().Encode()
	f.Add(block)
	f.Add(block[:100])
	f.Add(bytes.Repeat([]byte{0}, chain.Size))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, hash, err := chain.Parse(data)
		if err != nil {
			return
		}
		again, againHash := got.Encode()
		if !bytes.Equal(again, data) || againHash != hash {
			t.Errorf("%x is read as %+v", data, got)
		}
	})
}

// write appends records to a directory.
func write(t *testing.T, dir string, records int) *chain.Report {
	t.Helper()
	w, found, err := chain.Open(dir)
	check(t, err)
	for i := range records {
		got, err := w.Append(start().Add(time.Duration(i)))
		check(t, err)
		if want := found.Last + uint64(i) + 1; got.Sequence != want {
			t.Fatalf("record %d, want %d", got.Sequence, want)
		}
	}
	check(t, w.Close())
	return found
}

func verify(t *testing.T, dir string) *chain.Report {
	t.Helper()
	r, err := chain.Verify(dir)
	check(t, err)
	return r
}

// counts are a report without what differs from chain to chain.
func counts(r *chain.Report) chain.Report {
	c := *r
	c.Chain, c.LastHash, c.LastTime, c.Problems = 0, chain.Hash{}, time.Time{}, nil
	return c
}

func equalCounts(t *testing.T, got *chain.Report, want chain.Report) {
	t.Helper()
	if diff := cmp.Diff(want, counts(got), cmpopts.IgnoreUnexported(chain.Report{})); diff != "" {
		t.Errorf("the report (-want +got):\n%s\n%v", diff, got.Problems)
	}
}

func TestAChainGoesOn(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "chain")
	equalCounts(t, verify(t, dir), chain.Report{})
	write(t, dir, 0)
	write(t, dir, perSegment)
	first := verify(t, dir)
	equalCounts(t, first, chain.Report{Records: perSegment, First: 1, Last: perSegment, Segments: 1})
	equalCounts(t, write(t, dir, 3), chain.Report{Records: perSegment, First: 1, Last: perSegment, Segments: 1})
	equalCounts(t, write(t, dir, 2*perSegment), chain.Report{Records: perSegment + 3, First: 1, Last: perSegment + 3, Segments: 2})
	all := verify(t, dir)
	equalCounts(t, all, chain.Report{Records: 3*perSegment + 3, First: 1, Last: 3*perSegment + 3, Segments: 4})
	if all.Chain != first.Chain || all.Err(3*perSegment+3) != nil {
		t.Errorf("chain %x, was %x: %v", all.Chain, first.Chain, all.Err(3*perSegment+3))
	}
	want := "1 lost at the end: the last record is 3075, and 3076 was there"
	if err := all.Err(3*perSegment + 4); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestTheRecordsAreRead(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "chain")
	write(t, dir, perSegment+2)
	got, err := chain.Read(dir)
	check(t, err)
	if len(got) != perSegment+2 {
		t.Fatalf("%d records, want %d", len(got), perSegment+2)
	}
	last, report := got[len(got)-1], verify(t, dir)
	if last.Sequence != report.Last || last.Hash != report.LastHash || last.Previous != got[len(got)-2].Hash {
		t.Errorf("the last one is %+v, want number %d with the hash %v", last, report.Last, report.LastHash)
	}
	edit(t, segment(dir, "1"), func(data []byte) []byte { data[0]++; return data })
	after, err := chain.Read(dir)
	check(t, err)
	if diff := cmp.Diff(got[1:], after); diff != "" {
		t.Errorf("with the first record destroyed (-want +got):\n%s", diff)
	}
}

func segment(dir string, number string) string { return filepath.Join(dir, "0000000"+number+".seg") }

// edit changes a file.
func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	check(t, err)
	check(t, os.WriteFile(path, change(data), 0o600))
}

func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	const records = 2*perSegment + 10
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b[at] ^= 1; return b }
	}
	tests := []struct {
		name   string
		damage func(t *testing.T, dir string)
		want   chain.Report
		// mended says that a writer goes on.
		mended bool
	}{
		{
			name: "half a record at the end",
			damage: func(t *testing.T, dir string) {
				t.Helper()
				edit(t, segment(dir, "3"), func(b []byte) []byte { return b[:len(b)-100] })
			},
			want: chain.Report{Records: records - 1, First: 1, Last: records - 1, Segments: 3, Torn: 1}, mended: true,
		},
		{
			name: "zeros at the end, as after a crash",
			damage: func(t *testing.T, dir string) {
				t.Helper()
				edit(t, segment(dir, "3"), func(b []byte) []byte { return append(b, make([]byte, 3*chain.Size)...) })
			},
			want: chain.Report{Records: records, First: 1, Last: records, Segments: 3, Torn: 3}, mended: true,
		},
		{
			name: "a segment of nothing but half a record",
			damage: func(t *testing.T, dir string) {
				t.Helper()
				edit(t, segment(dir, "3"), func(b []byte) []byte { return b[:100] })
			},
			want: chain.Report{Records: 2 * perSegment, First: 1, Last: 2 * perSegment, Segments: 3, Torn: 1}, mended: true,
		},
		{
			name: "a record in the middle",
			damage: func(t *testing.T, dir string) {
				t.Helper()
				edit(t, segment(dir, "2"), flip(5*chain.Size+200))
			},
			want: chain.Report{Records: records - 1, First: 1, Last: records, Segments: 3, Torn: 1, Lost: 1},
		},
		{
			name: "a segment is gone",
			damage: func(t *testing.T, dir string) {
				t.Helper()
				check(t, os.Remove(segment(dir, "2")))
			},
			want: chain.Report{Records: records - perSegment, First: 1, Last: records, Segments: 2, Lost: perSegment},
		},
		{
			name: "the first segment is gone",
			damage: func(t *testing.T, dir string) {
				t.Helper()
				check(t, os.Remove(segment(dir, "1")))
			},
			want: chain.Report{
				Records: records - perSegment, First: perSegment + 1, Last: records, Segments: 2, Lost: perSegment,
			},
		},
		{
			name: "a record is there twice",
			damage: func(t *testing.T, dir string) {
				t.Helper()
				edit(t, segment(dir, "3"), func(b []byte) []byte { return append(b, b[len(b)-chain.Size:]...) })
			},
			want: chain.Report{Records: records + 1, First: 1, Last: records, Segments: 3, Foreign: 1},
		},
		{
			name: "a segment of another chain",
			damage: func(t *testing.T, dir string) {
				t.Helper()
				other := filepath.Join(t.TempDir(), "other")
				write(t, other, records)
				check(t, os.Rename(segment(other, "3"), segment(dir, "3")))
			},
			want: chain.Report{Records: records, First: 1, Last: records, Segments: 3, Foreign: 10},
		},
		{
			name: "a record that another has been written for since",
			damage: func(t *testing.T, dir string) {
				t.Helper()
				r := chain.Record{Sequence: records, Time: start(), Chain: verify(t, dir).Chain}
				edit(t, segment(dir, "3"), func(b []byte) []byte {
					block, _ := r.Encode()
					return append(b[:len(b)-chain.Size], block...)
				})
			},
			want: chain.Report{Records: records, First: 1, Last: records, Segments: 3, Foreign: 1},
		},
	}
	whole := filepath.Join(t.TempDir(), "chain")
	write(t, whole, records)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "chain")
			check(t, os.CopyFS(dir, os.DirFS(whole)))
			tt.damage(t, dir)
			got := verify(t, dir)
			equalCounts(t, got, tt.want)
			if got.Err(0) == nil || len(got.Problems) == 0 {
				t.Errorf("error %v, problems %v", got.Err(0), got.Problems)
			}
			w, _, err := chain.Open(dir)
			if !tt.mended {
				if err == nil {
					t.Fatal("it is continued")
				}
				return
			}
			check(t, err)
			next, err := w.Append(start())
			check(t, err)
			check(t, w.Close())
			after := verify(t, dir)
			if next.Sequence != tt.want.Last+1 || after.Err(next.Sequence) != nil {
				t.Errorf("record %d after %d: %v", next.Sequence, tt.want.Last, after.Err(next.Sequence))
			}
		})
	}
}

func TestOneWritesAtATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, _, err := chain.Open(dir)
	check(t, err)
	if _, _, err := chain.Open(dir); err == nil || !strings.Contains(err.Error(), "another process writes it") {
		t.Errorf("got %v", err)
	}
	check(t, w.Close())
	write(t, dir, 1)
}
