// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"errors"
	"testing"

	vsv1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/volumesnapshotter/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud/endpoint"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/sites"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

var _ vsv1.VolumeSnapshotter = (*Snapshotter)(nil)

func TestASnapshotterWithoutALocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	if err := w.Init(map[string]string{"regoin": home}); err == nil {
		t.Error("a config with an unknown key was accepted")
	}
	pv := item(t, nasDirectory("nas-1", "/app"))
	_, idErr := w.GetVolumeID(pv)
	_, snapshotErr := w.CreateSnapshot("nas:path=/", "", nil)
	_, volumeErr := w.CreateVolumeFromSnapshot("x", "", "", nil)
	for name, err := range map[string]error{
		"GetVolumeID": idErr, "CreateSnapshot": snapshotErr, "CreateVolumeFromSnapshot": volumeErr, "DeleteSnapshot": w.DeleteSnapshot("x"),
	} {
		if !errors.Is(err, sites.ErrNotInitialised) {
			t.Errorf("%s: error %v, want that no location is set", name, err)
		}
	}
}

func TestEqualConfigsAreOneLocation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	before, err := w.sites.Current()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Init(w.config); err != nil {
		t.Fatal(err)
	}
	if after, err := w.sites.Current(); err != nil || after != before {
		t.Errorf("an equal config is another location, error %v", err)
	}
	if before.hbr != (alicloud.HBRConfig{Region: home, Network: endpoint.Network(""), NotOnECS: true, Credentials: before.hbr.Credentials}) {
		t.Errorf("the location is %+v", before.hbr)
	}
}

func TestTheKindOfAVolumeIsItsType(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for want, pv := range map[volume.Kind]*corev1.PersistentVolume{
		volume.KindNAS: nasDirectory("nas-1", "/app"), volume.KindOSS: bucketDirectory("oss-1", "/app"),
	} {
		id, err := w.GetVolumeID(item(t, pv))
		if err != nil {
			t.Fatal(err)
		}
		if got, iops, err := w.GetVolumeInfo(id, ""); err != nil || got != string(want) || iops != nil {
			t.Errorf("%s has the type %q and the IOPS %v, error %v", id, got, iops, err)
		}
	}
}
