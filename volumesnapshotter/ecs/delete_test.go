// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/alibabacloud-go/ecs-20140526/v4/client"
	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

// left returns the account's snapshots and snapshot groups.
func (w *world) left() []string {
	all := w.ecs.Inventory(account)
	return slices.Concat(all.Snapshots, all.SnapshotGroups)
}

func TestDeleteSnapshot(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// prepare returns the snapshot's id, as Velero keeps it.
		prepare func(*testing.T, *world) string
	}{
		{"one that is accomplished", func(t *testing.T, w *world) string {
			t.Helper()
			return backUp(t, w.Snapshotter, "daily", w.addDisk(t, simecs.DiskConfig{}))
		}},
		{"one that is being made", func(t *testing.T, w *world) string {
			t.Helper()
			w.ecs.SetDurations(simecs.Durations{Snapshot: metav1.Duration{Duration: time.Hour}})
			return backUp(t, w.Snapshotter, "daily", w.addDisk(t, simecs.DiskConfig{Category: "cloud_ssd"}))
		}},
		{"one that has failed", func(t *testing.T, w *world) string {
			t.Helper()
			id := backUp(t, w.Snapshotter, "daily", w.addDisk(t, simecs.DiskConfig{}))
			if err := w.ecs.FailSnapshot(w.snapshotInfo(t, id).ID); err != nil {
				t.Fatal(err)
			}
			return id
		}},
		{"one of which a disk was made", func(t *testing.T, w *world) string {
			t.Helper()
			id := backUp(t, w.Snapshotter, "daily", w.addDisk(t, simecs.DiskConfig{}))
			api, err := siteOf(t, w.Snapshotter).api(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			snapshotID := w.snapshotInfo(t, id).ID
			if _, err := api.CreateDisk(t.Context(), &sdk.CreateDiskRequest{SnapshotId: &snapshotID, ZoneId: new(homeZone), DiskCategory: new("cloud_essd")}); err != nil {
				t.Fatal(err)
			}
			return id
		}},
		{"one with copies in two regions", func(t *testing.T, w *world) string {
			t.Helper()
			for _, snapshot := range []simecs.SnapshotConfig{
				{ID: "s-home", Region: home, Tags: map[string]string{tagCopiedTo: "cn-beijing cn-shanghai"}},
				{ID: "s-beijing", Region: "cn-beijing", Tags: map[string]string{tagCopyOf: "cn-hangzhou/s-home"}},
				{ID: "s-shanghai", Region: "cn-shanghai", Tags: map[string]string{tagCopyOf: "cn-hangzhou/s-home"}},
			} {
				w.addSnapshot(t, snapshot)
			}
			return "cn-hangzhou/s-home"
		}},
		{"one of another region, of whose copy in this one nobody noted anything", func(t *testing.T, w *world) string {
			t.Helper()
			w.addSnapshot(t, simecs.SnapshotConfig{ID: "s-away", Region: away})
			w.addSnapshot(t, simecs.SnapshotConfig{ID: "s-copy", Region: home, Tags: map[string]string{tagCopyOf: "cn-beijing/s-away"}})
			return "cn-beijing/s-away"
		}},
		{"one that is gone, whose copy is not", func(t *testing.T, w *world) string {
			t.Helper()
			w.addSnapshot(t, simecs.SnapshotConfig{ID: "s-copy", Region: home, Tags: map[string]string{tagCopyOf: "cn-beijing/s-away"}})
			return "cn-beijing/s-away"
		}},
		{"one with a bare id", func(t *testing.T, w *world) string {
			t.Helper()
			w.addSnapshot(t, simecs.SnapshotConfig{ID: "s-bare", Region: home})
			return "s-bare"
		}},
		{"one that is not there", func(*testing.T, *world) string { return "cn-hangzhou/s-gone" }},
		{"one that was refused", func(*testing.T, *world) string { return "failed:quota" }},
		{"none at all", func(*testing.T, *world) string { return "" }},
		{"one whose deletion was not answered", func(t *testing.T, w *world) string {
			t.Helper()
			w.fail(t, fault.Rule{Operation: "DeleteSnapshot", Reset: true, Count: 1})
			return backUp(t, w.Snapshotter, "daily", w.addDisk(t, simecs.DiskConfig{}))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := running(t, newWorld(t, inThreeRegions))
			id := tt.prepare(t, w)
			w.addSnapshot(t, simecs.SnapshotConfig{ID: "s-other", Region: home, Tags: map[string]string{tagCopyOf: "cn-beijing/s-other"}})
			for range 2 { // Whatever is gone may be deleted again.
				if err := w.DeleteSnapshot(id); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff([]string{"cn-hangzhou/s-other"}, w.left()); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		})
	}
}

// addSnapshot adds a snapshot of a disk of 20 GiB.
func (w *world) addSnapshot(t *testing.T, config simecs.SnapshotConfig) {
	t.Helper()
	config.Account, config.Disk, config.Size = account, "d-old", 20
	if _, err := w.ecs.AddSnapshot(config); err != nil {
		t.Fatal(err)
	}
}

func TestDeletingTheMembersOfAGroup(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disks := w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{}, simecs.DiskConfig{})
	first, second := backUp(t, w.Snapshotter, "daily", disks[0]), backUp(t, w.Snapshotter, "daily", disks[1])
	if err := w.DeleteSnapshot(first); err != nil {
		t.Fatal(err)
	}
	if got := w.left(); len(got) != 3 || slices.Contains(got, first) || !slices.Contains(got, second) {
		t.Errorf("left are %v, want %s, the member that was not asked for, and the group", got, second)
	}
	for range 2 {
		if err := w.DeleteSnapshot(second); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.left(); len(got) != 0 {
		t.Errorf("left are %v, want nothing with the last member", got)
	}
}

// answering answers the calls of an operation itself, with a body, and has the cloud answer
// all others.
type answering struct {
	http.RoundTripper
	operation, body string
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	if asked := map[string][]string(r.Header)["x-acs-action"]; !slices.Contains(asked, a.operation) { // As the SDK writes it.
		return a.RoundTripper.RoundTrip(r)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Request: r, Body: io.NopCloser(strings.NewReader(a.body)),
		Header: http.Header{"Content-Type": {"application/json"}},
	}, nil
}

func TestAGroupThatIsDeletedWithoutAllItsMembers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// answer is that of DeleteSnapshotGroup, with the id of the member.
		answer string
		// want is a part of the error, "" for none.
		want string
		left int
	}{
		{
			name: "the member is deleted by itself",
			answer: `{"OperationProgressSet": {"OperationProgress": [{"OperationStatus": "Failed", "ErrorCode": "SnapshotCreatedDisk", "ErrorMsg": "It has disks.",
				"RelatedItemSet": {"RelatedItem": [{"Name": "SnapshotId", "Value": "%s"}]}}]}}`,
		},
		{
			name: "a member that is not named is told of",
			answer: `{"OperationProgressSet": {"OperationProgress": [
				{"OperationStatus": "Success", "ErrorCode": "", "RelatedItemSet": {"RelatedItem": [{"Name": "SnapshotId", "Value": "%s"}]}},
				{"OperationStatus": "Failed", "ErrorCode": "SnapshotCreatedImage", "ErrorMsg": "It has an image."}]}}`,
			want: " is left: SnapshotCreatedImage: It has an image.", left: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := running(t, newWorld(t))
			id := backUp(t, w.Snapshotter, "daily", w.addGroup(t, simecs.DiskConfig{})[0])
			_, bare, _ := strings.Cut(id, "/")
			answer := strings.Replace(tt.answer, "%s", bare, 1)
			s := w.processOver(t, func(cloud http.RoundTripper) http.RoundTripper {
				return answering{cloud, "DeleteSnapshotGroup", answer}
			})
			err := s.DeleteSnapshot(id)
			if !strings.Contains(said(err), tt.want) || (err == nil) != (tt.want == "") {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if left := w.ecs.Inventory(account).Snapshots; len(left) != tt.left {
				t.Errorf("left are %v, want %d", left, tt.left)
			}
		})
	}
}

func TestDeletingAMemberTakesAnEmptyGroupOfItsBackupWithIt(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	member := w.snapshotInfo(t, backUp(t, w.Snapshotter, "daily", w.addGroup(t, simecs.DiskConfig{})[0]))
	api, err := siteOf(t, w.Snapshotter).api(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := deleteSnapshot(t.Context(), api, member.ID); err != nil {
		t.Fatal(err)
	}
	w.addSnapshot(t, simecs.SnapshotConfig{ID: "s-member", Region: home, Tags: member.Tags})
	if err := w.DeleteSnapshot("cn-hangzhou/s-member"); err != nil {
		t.Fatal(err)
	}
	if got := w.left(); len(got) != 0 {
		t.Errorf("left are %v", got)
	}
}

func TestDeletingAMemberOfAnotherBackupsGroup(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	w.create(t, backupNamed("weekly", velerov1.BackupPhaseInProgress))
	disk := w.addGroup(t, simecs.DiskConfig{})[0]
	daily, weekly := backUp(t, w.Snapshotter, "daily", disk), backUp(t, w.process(t, nil), "weekly", disk)
	if err := w.DeleteSnapshot(daily); err != nil {
		t.Fatal(err)
	}
	if got := w.left(); len(got) != 2 || got[0] != weekly {
		t.Errorf("left are %v, want %s and its group", got, weekly)
	}
}

func TestASnapshotThatCannotBeDeleted(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, operation, id, want string }{
		{"the id is another vendor's", "", "snap-1", `delete ECS snapshot failed: "snap-1" is not the id of an ECS snapshot`},
		{"the snapshot cannot be read", "DescribeSnapshots", "s-1", "calling ecs:DescribeSnapshots in cn-hangzhou"},
		{"the snapshot cannot be deleted", "DeleteSnapshot", "s-1", "calling ecs:DeleteSnapshot in cn-hangzhou"},
		{"the group cannot be read", "DescribeSnapshotGroups", "s-member", "calling ecs:DescribeSnapshotGroups in cn-hangzhou"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.addSnapshot(t, simecs.SnapshotConfig{ID: "s-1", Region: home})
			w.addSnapshot(t, simecs.SnapshotConfig{ID: "s-member", Region: home, Tags: map[string]string{tagGroup: "shop/db"}})
			before := w.left()
			if tt.operation != "" {
				w.fail(t, fault.Rule{Operation: tt.operation, Status: 500, Code: "InternalError"})
			}
			if err := w.DeleteSnapshot(tt.id); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "(snapshot "+tt.id+")") {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if diff := cmp.Diff(before, w.left()); diff != "" {
				t.Errorf("left (-before +after):\n%s", diff)
			}
		})
	}
}

func TestACopyThatCannotBeDeletedKeepsItsSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.addSnapshot(t, simecs.SnapshotConfig{ID: "s-1", Region: home, Tags: map[string]string{tagCopiedTo: away}})
	w.addSnapshot(t, simecs.SnapshotConfig{ID: "s-2", Region: away, Tags: map[string]string{tagCopyOf: "cn-hangzhou/s-1"}})
	w.fail(t, fault.Rule{Operation: "DeleteSnapshot", Resource: "*s-2*", Status: 500, Code: "InternalError"})
	err := w.DeleteSnapshot("cn-hangzhou/s-1")
	if err == nil || !strings.Contains(err.Error(), "calling ecs:DeleteSnapshot in cn-beijing") {
		t.Errorf("error %v, want that of the copy", err)
	}
	if diff := cmp.Diff([]string{"cn-beijing/s-2", "cn-hangzhou/s-1"}, w.left()); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}
