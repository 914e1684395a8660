// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// tinyPlan spools all but the first parts, as the plan of a location does behind 26 GiB.
func tinyPlan() partPlan {
	return partPlan{small: smallParts, smallParts: 2, large: 2 * smallParts, largeParts: 5, spooled: 7 * smallParts}
}

func (f *fixture) putByTinyPlan(t *testing.T, size int) error {
	t.Helper()
	b, err := f.bucket(t.Context(), uploading, bucketName)
	must(t, err)
	return b.putByPlan(context.WithoutCancel(t.Context()), faultyKey, stream(content(size)), tinyPlan())
}

func TestSpooledParts(t *testing.T) {
	t.Parallel()
	const unspooled = 8 * smallParts // Two small parts and three large ones.
	tests := []struct {
		name string
		size int
		want int // Spooled parts.
	}{
		{"an object that ends with the last part in memory", unspooled, 0},
		{"an object with one byte more", unspooled + 1, 1},
		{"a spooled part that is full", unspooled + 7*smallParts, 1},
		{"some spooled parts and a rest", unspooled + 3*7*smallParts + 500, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{})
			must(t, f.putByTinyPlan(t, tt.size))
			got, err := f.download(faultyKey)
			must(t, err)
			if !bytes.Equal(content(tt.size), got) {
				t.Errorf("%d bytes went in, %d other ones came out", tt.size, len(got))
			}
			if diff := cmp.Diff([]string{faultyKey}, f.keys()); diff != "" {
				t.Errorf("objects differ (-want +got):\n%s", diff)
			}
			if got := f.journal.Count("oss", "UploadPartCopy"); got != tt.want {
				t.Errorf("%d parts were spooled, want %d", got, tt.want)
			}
			if uploads := f.oss.Uploads(bucketName); len(uploads) > 0 {
				t.Errorf("an upload was left: %+v", uploads)
			}
		})
	}
}

func TestSpooledPartsUnderFaults(t *testing.T) {
	t.Parallel()
	const size = 8*smallParts + 2*7*smallParts
	for _, operation := range []string{"InitiateMultipartUpload", "UploadPartCopy", "UploadPart", "CompleteMultipartUpload"} {
		t.Run(operation+" fails twice", func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{})
			f.fault(t, fault.Rule{Operation: operation, Status: 500, Code: "InternalError", Count: 2})
			must(t, f.putByTinyPlan(t, size))
			got, err := f.download(faultyKey)
			must(t, err)
			if !bytes.Equal(content(size), got) {
				t.Error("the object is not what was uploaded")
			}
		})
		t.Run("an answer to "+operation+" breaks off", func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{})
			f.fault(t, fault.Rule{Operation: operation, Direction: fault.Response, Truncate: true, After: 60, Count: 2})
			must(t, f.putByTinyPlan(t, size))
			got, err := f.download(faultyKey)
			must(t, err)
			if !bytes.Equal(content(size), got) {
				t.Error("the object is not what was uploaded")
			}
		})
		t.Run(operation+" always fails", func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, fixtureOptions{})
			f.fault(t, fault.Rule{Operation: operation, Status: 500, Code: "InternalError"})
			wantError(t, f.putByTinyPlan(t, size), "InternalError")
			if keys := f.keys(); len(keys) > 0 {
				t.Errorf("objects are there: %q", keys)
			}
			if uploads := f.oss.Uploads(bucketName); len(uploads) > 0 {
				t.Errorf("an upload was left: %+v", uploads)
			}
		})
	}
}

func TestAnObjectOfTooManyParts(t *testing.T) {
	t.Parallel()
	plan := partPlan{small: 1, smallParts: maxParts, large: 1, largeParts: maxParts}
	var total int64
	for number := 1; number <= maxParts; number++ {
		size, _ := plan.size(number)
		total += size
	}
	if total != maxParts {
		t.Fatalf("the plan holds %d bytes, want %d", total, maxParts)
	}
	f := newFixture(t, fixtureOptions{})
	f.fault(t, fault.Rule{Operation: "UploadPart", Status: 400, Code: "EntityTooSmall"})
	b, err := f.bucket(t.Context(), uploading, bucketName)
	must(t, err)
	wantError(t, b.putByPlan(t.Context(), faultyKey, stream(content(20)), plan), "EntityTooSmall")
}

func TestReadPart(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, readSize - 1, readSize, readSize + 1, 5*readSize + 3} {
		for _, limit := range []int64{1, readSize, 3*readSize + 1} {
			t.Run(fmt.Sprintf("%d bytes into a part of %d", size, limit), func(t *testing.T) {
				t.Parallel()
				body := stream(content(size))
				var all []byte
				buffer := make([]byte, 0, limit/2)
				for {
					part, ended, err := readPart(body, buffer, limit)
					must(t, err)
					all = append(all, part...)
					if ended {
						break
					}
					if int64(len(part)) != limit {
						t.Fatalf("a part of %d bytes that is not the last", len(part))
					}
				}
				if !bytes.Equal(content(size), all) {
					t.Errorf("read %d other bytes", len(all))
				}
			})
		}
	}
}
