// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

func TestParseSnapshotID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       snapshotID
		// wantErr is a part of the error; empty means none.
		wantErr string
	}{
		{name: "a bare id is of the location's region", text: "s-bp1abc", want: snapshotID{region: home, id: "s-bp1abc"}},
		{name: "a region in the id beats the location's", text: "cn-beijing/s-2zeabc", want: snapshotID{region: away, id: "s-2zeabc"}},
		{name: "a region of several words", text: "cn-shanghai-finance-1/s-uf6abc", want: snapshotID{region: "cn-shanghai-finance-1", id: "s-uf6abc"}},
		{name: "no id at all", text: "", wantErr: "its data was not backed up"},
		{name: "a snapshot that was refused, with the reason", text: "failed:create ECS snapshot failed: quota", wantErr: "The refusal was: create ECS snapshot failed: quota"},
		{name: "another cloud's id", text: "snap-0123456789", wantErr: "was the backup made by another plugin?"},
		{name: "a region without an id", text: "cn-beijing/", wantErr: "is not the id of an ECS snapshot"},
		{name: "an id behind two regions", text: "cn-beijing/cn-hangzhou/s-1", wantErr: "is not the id of an ECS snapshot"},
		{name: "something behind the id", text: "s-bp1abc\n", wantErr: "is not the id of an ECS snapshot"},
		{name: "a disk's id", text: "d-bp1abc", wantErr: "is not the id of an ECS snapshot"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseSnapshotID(tt.text, home)
			if (err != nil) != (tt.wantErr != "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Fatalf("error %v, want %q", err, tt.wantErr)
			}
			if got != tt.want {
				t.Errorf("parseSnapshotID(%q) = %v, want %v", tt.text, got, tt.want)
			}
		})
	}
}

func TestIDOfARefusedSnapshotIsOneLine(t *testing.T) {
	t.Parallel()
	if got, want := idOfRefused(errors.New("quota\n\tis  used up ")), "failed:quota is used up"; got != want {
		t.Errorf("id %q, want %q", got, want)
	}
}

func TestPendingIDHoldsTheOrder(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		order order
		want  string
	}{
		{
			"the snapshot alone",
			order{snapshot: snapshotID{region: away, id: "s-1"}},
			"pending:cn-beijing/s-1",
		},
		{
			"all that the backup noted",
			order{snapshot: snapshotID{region: home, id: "s-1"}, kind: volume.DiskType{Category: "cloud_essd", PerformanceLevel: "PL1"}, zone: homeZone, iops: 2800},
			"pending:cn-hangzhou/s-1?iops=2800&type=cloud_essd.PL1&zone=cn-hangzhou-k",
		},
		{
			"a zone with characters of a query",
			order{snapshot: snapshotID{region: home, id: "s-1"}, zone: "a&b=c?d/e"},
			"pending:cn-hangzhou/s-1?zone=a%26b%3Dc%3Fd%2Fe",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			id := tt.order.pendingID()
			if id != tt.want {
				t.Errorf("id %q, want %q", id, tt.want)
			}
			read, ok := parsePendingID(id)
			if diff := cmp.Diff(tt.order, read, cmp.AllowUnexported(order{}, snapshotID{})); !ok || diff != "" {
				t.Errorf("read %v (-want +got):\n%s", ok, diff)
			}
		})
	}
}

func TestWhatIsNoPendingID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		"", "d-bp1abc", "pending:", "pending:s-1", "pending:cn-beijing/", "pending:failed:x", "pending:cn-beijing/s-1?%zz", "cn-beijing/s-1",
	} {
		if read, ok := parsePendingID(id); ok {
			t.Errorf("%q was read as %+v", id, read)
		}
	}
}

func FuzzParseSnapshotID(f *testing.F) {
	for _, text := range []string{"", "s-bp1abc", "cn-beijing/s-1", "failed:x", "cn-a-1/s-A9", "x/s-1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		read, err := parseSnapshotID(text, home)
		if err != nil {
			return
		}
		again, err := parseSnapshotID(read.String(), "cn-elsewhere")
		if err != nil || again != read {
			t.Errorf("%q is %v, which is read as %v, error %v", text, read, again, err)
		}
		if !strings.HasSuffix(read.String(), text) {
			t.Errorf("%q is read as %v", text, read)
		}
	})
}

func FuzzParsePendingID(f *testing.F) {
	for _, id := range []string{
		"", "d-1", "pending:cn-beijing/s-1", "pending:s-1", "pending:cn-hangzhou/s-1?iops=2800&type=cloud_essd.PL1&zone=cn-hangzhou-k",
		"pending:cn-beijing/s-1?iops=-1&type=.&zone=%00",
	} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		read, ok := parsePendingID(id)
		if !ok {
			return
		}
		again, ok := parsePendingID(read.pendingID())
		if !ok || again != read {
			t.Errorf("%q is %+v, which is read as %+v (%v)", id, read, again, ok)
		}
	})
}
