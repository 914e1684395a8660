// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
)

func TestABatchBeginsWithTheClaimsOfTheNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 150 {
		w.create(t, pvOf(simecs.DiskInfo{ID: fmt.Sprintf("d-a%03d", i), Zone: homeZone, Size: 20}, "aaa/data"))
	}
	for i := range 3 {
		w.create(t, pvOf(simecs.DiskInfo{ID: fmt.Sprintf("d-z%03d", i), Zone: homeZone, Size: 20}, "zzz/data"))
	}
	held := pvOf(simecs.DiskInfo{ID: "pending:cn-hangzhou/s-1", Zone: homeZone, Size: 20}, "zzz/data")
	held.Name = "held"
	foreign := pvOf(simecs.DiskInfo{ID: "vol-1", Zone: homeZone, Size: 20}, "zzz/data")
	foreign.Spec.CSI.Driver = "ebs.csi.aws.com"
	w.create(t, held, foreign)
	got := siteOf(t, w.Snapshotter).batch(t.Context(), "d-z001")
	want := []string{"d-z001", "d-z000", "d-z002"}
	for i := range 97 {
		want = append(want, fmt.Sprintf("d-a%03d", i))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batch (-want +got):\n%s", diff)
	}
}

func TestADiskIsReadOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	disk := w.addVolume(t, simecs.DiskConfig{}, "shop/data", nil)
	w.create(t, pvOf(simecs.DiskInfo{ID: "d-gone", Zone: homeZone, Size: 20}, "shop/gone"))
	for _, id := range []string{disk, "d-gone", disk, "d-gone"} {
		if _, _, err := w.GetVolumeInfo(id, ""); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"DescribeDisks in cn-hangzhou"}, w.calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestAFailureToReadDisksIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	disk := w.addVolume(t, simecs.DiskConfig{PerformanceLevel: "PL0", Size: 40}, "shop/data", nil)
	pv := &corev1.PersistentVolume{}
	if err := w.api.Get(t.Context(), client.ObjectKey{Name: "pv-" + disk}, pv); err != nil {
		t.Fatal(err)
	}
	pv.Labels = nil
	if err := w.api.Update(t.Context(), pv); err != nil {
		t.Fatal(err)
	}
	w.fail(t, fault.Rule{Operation: "DescribeDisks", Status: 500, Code: "InternalError", Count: 16})
	var got []string
	for range 5 {
		kind, _, err := w.GetVolumeInfo(disk, "")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, kind)
	}
	if got[0] != "" || got[4] != "cloud_essd.PL0" {
		t.Errorf("types %q, want none at first and the disk's later", got)
	}
}

func TestACredentialThatMayNotReadDisksIsToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withPolicy(t, backupCenterPolicy))
	first := w.addVolume(t, simecs.DiskConfig{Size: 40}, "shop/a", nil)
	second := w.addVolume(t, simecs.DiskConfig{PerformanceLevel: "PL0", Size: 40}, "shop/b", nil)
	var got []disk
	for _, id := range []string{first, second, "d-gone"} {
		got = append(got, siteOf(t, w.Snapshotter).describe(t.Context(), id))
	}
	want := []disk{{id: first}, {id: second}, {id: "d-gone"}}
	for i, level := range []string{"PL1", "PL0"} {
		want[i].spec.Type, want[i].spec.SizeGiB, want[i].spec.Zone = volume.DiskType{Category: "cloud_essd", PerformanceLevel: level}, 40, homeZone
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(disk{})); diff != "" {
		t.Errorf("disks (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"DescribeDisks in cn-hangzhou: Forbidden.RAM"}, w.calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	warnings := []string{"Disks are described by their PersistentVolumes, which do not tell all: a restore may need diskCategoryMapping or a StorageClass mapping"}
	if diff := cmp.Diff(warnings, w.messages(logrus.WarnLevel)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	i := slices.IndexFunc(w.logged.AllEntries(), func(e *logrus.Entry) bool { return e.Level == logrus.WarnLevel })
	if err, _ := w.logged.AllEntries()[i].Data["error"].(error); err == nil || !strings.Contains(err.Error(), "grant ecs:DescribeDisks") {
		t.Errorf("the warning has the error %v, want one that names the action", err)
	}
}

// TestWithoutTheAPIServer backs a disk up while the cluster answers nothing: its data matter more than its tags.
func TestWithoutTheAPIServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	disk := w.addDisk(t, simecs.DiskConfig{})
	s := New(w.log, w.clients, cluster.Absent(errors.New("connection refused")), w.targets, noVariables)
	if err := s.Init(w.config); err != nil {
		t.Fatal(err)
	}
	id := backUp(t, s, "daily", disk)
	want := map[string]string{
		"velero.io/backup": "daily", "velero.io/pv": "pv-" + disk, "alibabacloud.com/disk": "cloud_essd.PL1 20GiB", "alibabacloud.com/zone": homeZone,
	}
	if diff := cmp.Diff(want, w.snapshotInfo(t, id).Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"DescribeDisks in cn-hangzhou", "CreateSnapshot in cn-hangzhou"}, w.calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestClaimsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disk := w.addVolume(t, simecs.DiskConfig{}, "shop/data", map[string]string{labelGroup: "db"})
	watched, ok := w.api.(client.WithWatch)
	if !ok {
		t.Fatal("the fake client cannot be intercepted")
	}
	w.api = interceptor.NewClient(watched, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, claims := list.(*corev1.PersistentVolumeClaimList); claims {
				return errors.New("denied")
			}
			return c.List(ctx, list, opts...)
		},
	})
	id := backUp(t, w.process(t, nil), "daily", disk)
	if got := w.snapshotInfo(t, id); got.GroupID != "" || got.Tags[tagClaim] != "shop/data" {
		t.Errorf("snapshot %+v, want one of its own that names the claim", got)
	}
	warnings := []string{"The claim of the volume could not be read: it is not backed up together with a consistency group"}
	if diff := cmp.Diff(warnings, w.messages(logrus.WarnLevel)); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}
