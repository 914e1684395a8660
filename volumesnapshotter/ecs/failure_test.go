// SPDX-License-Identifier: Apache-2.0

package ecs

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	simecs "github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/fault"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/rpc"
)

func inThreeRegions(c *cloudsim.Config) {
	c.ECS.Regions = append(c.ECS.Regions, simecs.Region{ID: "cn-shanghai", Zones: []simecs.Zone{{ID: "cn-shanghai-b"}}})
}

// TestUnderTheBackupCentersPolicy does everything with the permissions that users of
// the backup center have granted. It has neither DescribeDisks nor TagResources nor
// anything about making disks.
func TestUnderTheBackupCentersPolicy(t *testing.T) {
	t.Parallel()
	type step struct {
		name string
		do   func(*testing.T, *world) error
		// missing is the action that is named as missing; empty where it works.
		missing string
	}
	// begun returns the error of a snapshot's id.
	begun := func(id string) error {
		_, err := parseSnapshotID(id, home)
		return err
	}
	steps := []step{
		{"describing a disk", func(t *testing.T, w *world) error {
			t.Helper()
			kind, _, err := w.GetVolumeInfo(w.addVolume(t, simecs.DiskConfig{}, "shop/data", nil), "")
			if kind != "cloud_essd.PL1" {
				t.Errorf("type %q, want that of the volume", kind)
			}
			return err
		}, ""},
		{"a snapshot", func(t *testing.T, w *world) error {
			t.Helper()
			id := backUp(t, w.Snapshotter, "daily", w.addVolume(t, simecs.DiskConfig{}, "shop/data", nil))
			if got := w.snapshotInfo(t, id).Tags[tagDisk]; got != "cloud_essd.PL1 20GiB" {
				t.Errorf("the snapshot tells %q of its disk", got)
			}
			return begun(id)
		}, ""},
		{"a consistency group", func(t *testing.T, w *world) error {
			t.Helper()
			disks := w.addGroup(t, simecs.DiskConfig{}, simecs.DiskConfig{})
			err := errors.Join(begun(backUp(t, w.Snapshotter, "daily", disks[0])), begun(backUp(t, w.Snapshotter, "daily", disks[1])))
			want := []string{
				"Disks are described by their PersistentVolumes, which do not tell all: a restore may need diskCategoryMapping or a StorageClass mapping",
				"Snapshots of consistency groups do not tell what they are of: a restore knows their size and encryption alone",
			}
			if diff := cmp.Diff(want, w.messages(logrus.WarnLevel)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
			return err
		}, ""},
		{"deleting a snapshot", func(t *testing.T, w *world) error {
			t.Helper()
			return w.DeleteSnapshot(backUp(t, w.Snapshotter, "daily", w.addVolume(t, simecs.DiskConfig{}, "shop/data", nil)))
		}, ""},
		{"deleting a member of a group", func(t *testing.T, w *world) error {
			t.Helper()
			return w.DeleteSnapshot(backUp(t, w.Snapshotter, "daily", w.addGroup(t, simecs.DiskConfig{})[0]))
		}, ""},
		{"sweeping what a failed backup left", func(t *testing.T, w *world) error {
			t.Helper()
			backUp(t, w.Snapshotter, "daily", w.addVolume(t, simecs.DiskConfig{}, "shop/data", nil))
			w.setPhase(t, velerov1.BackupPhaseFailed)
			id := w.next(t)
			if diff := cmp.Diff([]string{id}, w.left()); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			return begun(id)
		}, ""},
		{"a restore", func(t *testing.T, w *world) error {
			t.Helper()
			id := backUp(t, w.Snapshotter, "daily", w.addVolume(t, simecs.DiskConfig{}, "shop/data", nil))
			_, err := w.CreateVolumeFromSnapshot(id, "cloud_essd.PL1", "", nil)
			return err
		}, "ecs:CreateDisk"},
		{"a restore in another region", func(t *testing.T, w *world) error {
			t.Helper()
			id := backUp(t, w.Snapshotter, "daily", w.addVolume(t, simecs.DiskConfig{}, "shop/data", nil))
			s := w.process(t, map[string]string{"region": away, "zone": awayZone, "zoneMapping": homeZone + "=" + awayZone})
			if first, err := s.CreateVolumeFromSnapshot(id, "cloud_essd.PL1", "", nil); err != nil || !strings.HasPrefix(first, pendingPrefix) {
				t.Errorf("id %q, error %v, want one of a volume whose snapshot is being copied", first, err)
			}
			_, err := w.process(t, map[string]string{"region": away, "zone": awayZone, "zoneMapping": homeZone + "=" + awayZone}).
				CreateVolumeFromSnapshot(id, "cloud_essd.PL1", "", nil)
			return err
		}, "ecs:CreateDisk"},
	}
	for _, tt := range steps {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := running(t, newWorld(t, withPolicy(t, backupCenterPolicy)))
			w.create(t, restoreNamed("again", velerov1.RestorePhaseInProgress), nodeIn(homeZone), nodeIn(awayZone))
			checkDenial(t, tt.do(t, w), tt.missing)
		})
	}
}

// checkDenial checks that an error names the action that is missing, if one is.
func checkDenial(t *testing.T, err error, missing string) {
	t.Helper()
	if missing == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	want := "the ECS-snapshot related ram policy is missing: grant " + missing + " to the RAM user or role of the location, with the policy in deploy/ram/ecs.json"
	if err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error %v, want it to end in %q", err, want)
	}
}

func TestAMissingPermissionIsNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		missing string
		do      func(*testing.T, *world) error
	}{
		{"ecs:CreateSnapshot", func(t *testing.T, w *world) error {
			t.Helper()
			id := backUp(t, w.Snapshotter, "daily", w.addVolume(t, simecs.DiskConfig{}, "shop/data", nil))
			return errors.New(id)
		}},
		{"ecs:CreateSnapshotGroup", func(t *testing.T, w *world) error {
			t.Helper()
			return errors.New(backUp(t, w.Snapshotter, "daily", w.addGroup(t, simecs.DiskConfig{})[0]))
		}},
		{"ecs:DescribeSnapshots", func(_ *testing.T, w *world) error { return w.DeleteSnapshot("s-1") }},
		{"ecs:DeleteSnapshot", func(_ *testing.T, w *world) error { return w.DeleteSnapshot("s-1") }},
		{"ecs:DescribeSnapshotGroups", func(_ *testing.T, w *world) error { return w.DeleteSnapshot("s-member") }},
		{"ecs:DeleteSnapshotGroup", func(t *testing.T, w *world) error {
			t.Helper()
			return w.DeleteSnapshot(backUp(t, w.Snapshotter, "daily", w.addGroup(t, simecs.DiskConfig{})[0]))
		}},
	}
	for _, tt := range tests {
		for _, code := range []rpc.DenialCode{rpc.ForbiddenRAM, rpc.NoPermission} {
			t.Run(tt.missing+" as "+string(code), func(t *testing.T) {
				t.Parallel()
				w := running(t, newWorld(t, mayNot(t, tt.missing), func(c *cloudsim.Config) { c.ECS.DenialCode = code }))
				w.addSnapshot(t, simecs.SnapshotConfig{ID: "s-1", Region: home})
				w.addSnapshot(t, simecs.SnapshotConfig{ID: "s-member", Region: home, Tags: map[string]string{tagGroup: "shop/db"}})
				checkDenial(t, tt.do(t, w), tt.missing)
			})
		}
	}
}

func TestRemedies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, code, message string
		status              int
		want                string
	}{
		{"a snapshot that is being made", "IncorrectDiskStatus.CreatingSnapshot", "A previous snapshot creation is in process.", 403, "another snapshot of the disk is being made"},
		{"the same by its older code", "DISK_HAS_CREATING_SNAPSHOT", "", 403, "another snapshot of the disk is being made"},
		{"the same by its newest code", "DiskCreatingSnapshot", "", 403, "another snapshot of the disk is being made"},
		{"a disk that was never attached", "IncorrectDiskStatus.NeverAttached", "", 403, "ECS makes no snapshot of a disk that was never attached"},
		{"a disk that was never used", "IncorrectDiskStatus.NeverUsed", "", 403, "ECS makes no snapshot of a disk that was never used"},
		{"a disk in another state", "IncorrectDiskStatus", "", 403, "back up again when its status is In_use or Available"},
		{"too many tags", "InvalidParameter.QuotaExceed.Tags", "", 400, "remove some of the location's config key tags"},
		{"too many snapshots", "QuotaExceed.Snapshot", "The snapshot quota exceeds.", 403, "the quota of snapshots is used up"},
		{"a disk that is overdue", "DiskInArrears", "", 403, "settle it in the billing console"},
		{"an account that is overdue", "InvalidAccountStatus.NotEnoughBalance", "", 403, "settle it in the billing console"},
		{"a disk that is not there", "InvalidDiskId.NotFound", "", 404, "the location's region or account is not the cluster's"},
		{"a resource group that is gone", "InvalidResourceGroup.NotFound", "The ResourceGroup provided does not exist in our records.", 404, "parameter resourceGroupId of the target StorageClass"},
		{"disks in two zones", "InvalidParam.DiskIds.NotInSameZone", "", 403, "the disks of a consistency group must be in one zone"},
		{"a key that was deleted", "InvalidAccessKeyId.NotFound", "", 404, "create a new one for the RAM user"},
		{"a clock that is wrong", "InvalidTimeStamp.Expired", "", 400, "synchronise it (NTP)"},
		{"a service that fails", "ServiceUnavailable", "", 503, "ECS failed every attempt"},
		{"a disk of an instance that is locked, which no policy allows", "InstanceLockedForSecurity", "The instance is locked due to security.", 403, ""},
		{"an account that must be verified, likewise", "SecurityRisk.3DVerification", "Please proceed with verification via the link in your email.", 403, ""},
		{"a denial of RAM", "Forbidden.RAM", "User not authorized to operate on the specified resource.", 403, "grant ecs:CreateSnapshot to the RAM user"},
		{"what nobody knows", "Weird.Code", "Something.", 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.fail(t, fault.Rule{Operation: "CreateSnapshot", Status: tt.status, Code: tt.code, Message: tt.message})
			id := backUp(t, w.Snapshotter, "daily", w.addDisk(t, simecs.DiskConfig{ID: "d-1"}))
			_, remedy, _ := strings.Cut(id, " (disk d-1)")
			if !strings.Contains(id, "ErrorCode="+tt.code) || !strings.Contains(remedy, tt.want) || (remedy == "") != (tt.want == "") {
				t.Errorf("id %q, want the remedy %q", id, tt.want)
			}
		})
	}
}

func TestAnECSThatCannotBeReached(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disk := w.addVolume(t, simecs.DiskConfig{}, "shop/data", nil)
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	clients := alicloud.New(alicloud.Environment{
		Getenv: noVariables, Log: w.log, Now: w.time.Now, Sleep: w.time.Sleep, RPC: &http.Client{Transport: &http.Transport{}},
	})
	s := New(w.log, clients, cluster.New(w.api, veleroNamespace), w.targets, noVariables)
	if err := s.Init(locationIn(t, home, map[string]string{"endpoint": server.URL})); err != nil {
		t.Fatal(err)
	}
	id := backUp(t, s, "daily", disk)
	if want := "network: vpc needs a node in a VPC of the location's region"; !strings.HasPrefix(id, refusedPrefix) || !strings.Contains(id, want) {
		t.Errorf("id %q, want %q", id, want)
	}
}

func TestALocationWithoutARegion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.processAt(t, map[string]string{"notOnECS": "true"})
	if id := backUp(t, s, "daily", "d-1"); !strings.HasPrefix(id, "failed:create ECS snapshot failed: ") || !strings.Contains(id, "region") {
		t.Errorf("id %q, want one that says what is missing", id)
	}
	if err := s.DeleteSnapshot("cn-hangzhou/s-1"); err == nil || !strings.Contains(err.Error(), "region") {
		t.Errorf("error %v, want one that says what is missing", err)
	}
}

func TestALocationWithoutCredentials(t *testing.T) {
	t.Parallel()
	w := running(t, newWorld(t))
	disk := w.addVolume(t, simecs.DiskConfig{}, "shop/data", nil)
	id := backUp(t, w.process(t, map[string]string{"credentialsFile": "/does/not/exist"}), "daily", disk)
	if !strings.HasPrefix(id, "failed:create ECS snapshot failed: ") || !strings.HasSuffix(id, "(disk "+disk+")") || !strings.Contains(id, "/does/not/exist") {
		t.Errorf("id %q, want one that names the file and no other remedy", id)
	}
}
