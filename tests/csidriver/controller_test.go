// SPDX-License-Identifier: Apache-2.0

package csidriver_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

func newAPI(t *testing.T) client.Client {
	t.Helper()
	api := node.NewClient(fake.NewClientBuilder().WithScheme(scheme.Scheme).Build(), time.Now)
	err := api.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: "node-1", Labels: map[string]string{provisioner.DiskZoneLabel: zone},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// claim asks for a volume of a class, as kube-controller-manager hands it to a driver.
func claim(t *testing.T, api client.Client, class *storagev1.StorageClass, size string, mode corev1.PersistentVolumeAccessMode) *corev1.PersistentVolumeClaim {
	t.Helper()
	class.Name = "class-1"
	asked := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "data", UID: "0a1b2c3d-0000-4000-8000-000000000001",
			Annotations: map[string]string{provisioner.ProvisionerKey: class.Provisioner, provisioner.SelectedNodeKey: "node-1"},
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class.Name, AccessModes: []corev1.PersistentVolumeAccessMode{mode},
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}},
		},
	}
	for _, object := range []client.Object{class, asked} {
		if err := api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	return asked
}

// volumeOf waits for the volume of a claim.
func volumeOf(t *testing.T, api client.Client, of *corev1.PersistentVolumeClaim) *corev1.PersistentVolume {
	t.Helper()
	pv := &corev1.PersistentVolume{}
	wait(t, "the volume", func(ctx context.Context) error {
		return api.Get(ctx, client.ObjectKey{Name: provisioner.Name(of)}, pv)
	})
	return pv
}

// release lets the claim of a volume go.
func release(t *testing.T, api client.Client, pv *corev1.PersistentVolume) {
	t.Helper()
	pv.Finalizers = nil
	if err := api.Update(t.Context(), pv); err != nil {
		t.Fatal(err)
	}
	pv.Status.Phase = corev1.VolumeReleased
	if err := api.Status().Update(t.Context(), pv); err != nil {
		t.Fatal(err)
	}
}

func TestADiskForAClaim(t *testing.T) {
	t.Parallel()
	api := newAPI(t)
	b := start(t, api)
	before := len(b.cloud.ECS().Disks())
	pv := volumeOf(t, api, claim(t, api, &storagev1.StorageClass{
		Provisioner: provisioner.DiskDriver, Parameters: map[string]string{"type": "elastic_none,cloud_essd", "performanceLevel": "PL1"},
	}, "20Gi", corev1.ReadWriteOnce))
	disks := b.cloud.ECS().Disks()
	equal(t, "how many disks there are more", len(disks)-before, 1)
	disk := disks[len(disks)-1]
	equal(t, "the disk", []any{disk.Zone, disk.Category, disk.PerformanceLevel, disk.Size}, []any{zone, "cloud_essd", "PL1", int64(20)})
	equal(t, "the labels", pv.Labels, map[string]string{provisioner.DiskTypeLabel: "cloud_essd.PL1"})
	equal(t, "the source", pv.Spec.CSI, &corev1.CSIPersistentVolumeSource{
		Driver: provisioner.DiskDriver, VolumeHandle: disk.ID, FSType: "ext4",
		VolumeAttributes: map[string]string{"type": "cloud_essd", "performanceLevel": "PL1"},
	})
	equal(t, "the affinity", pv.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions, []corev1.NodeSelectorRequirement{
		{Key: provisioner.DiskZoneLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}},
	})

	if err := b.cloud.ECS().Attach(disk.ID, instance); err != nil {
		t.Fatal(err)
	}
	release(t, api, pv)
	wait(t, "an event of the disk that is in use", func(ctx context.Context) error {
		return hasEvent(ctx, api, pv.Name, "VolumeFailedDelete")
	})
	if err := b.cloud.ECS().Detach(disk.ID); err != nil {
		t.Fatal(err)
	}
	wait(t, "the end of the disk", func(context.Context) error {
		if len(b.cloud.ECS().Disks()) != before {
			return errNotYet
		}
		return nil
	})
}

// hasEvent says that there is none of a reason about an object.
func hasEvent(ctx context.Context, api client.Client, name, reason string) error {
	var all corev1.EventList
	if err := api.List(ctx, &all); err != nil {
		return err
	}
	for _, e := range all.Items {
		if e.InvolvedObject.Name == name && e.Reason == reason {
			return nil
		}
	}
	return fmt.Errorf("no %s among %d events", reason, len(all.Items))
}

func TestADirectoryForAClaim(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		parameters map[string]string
		fileSystem bool
	}{
		{"of a mount target", map[string]string{"server": server + ":/shop"}, false},
		{"of a CNFS object", map[string]string{"containerNetworkFileSystem": "cnfs-nas-filesystem", "path": "/"}, false},
		{"that is a file system", map[string]string{"volumeAs": "filesystem"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			api := newAPI(t)
			b := start(t, api)
			pv := volumeOf(t, api, claim(t, api, &storagev1.StorageClass{
				Provisioner: provisioner.NASDriver, Parameters: tt.parameters,
			}, "1Gi", corev1.ReadWriteMany))
			on, name := provisioner.Provisioner{FileSystems: b.FileSystems}.Export(pv.Spec.CSI.VolumeAttributes)
			dir, err := b.cloud.NAS().Mount(on, name)
			if err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(dir); err != nil || !tt.fileSystem && info.Mode().Perm() != 0o777 {
				t.Errorf("the directory %s: %v, %v", dir, info, err)
			}
			if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			release(t, api, pv)
			wait(t, "the end of the directory", func(context.Context) error {
				if _, err := os.Stat(dir); err == nil {
					return errNotYet
				}
				return nil
			})
			equal(t, "how many file systems there are", len(b.cloud.NAS().FileSystems()), 1)
		})
	}
}

func TestClaimsThatAreRefused(t *testing.T) {
	t.Parallel()
	disk := map[string]string{"type": "cloud_essd", "performanceLevel": "PL1"}
	tests := []struct {
		name, driver string
		parameters   map[string]string
		size         string
		mode         corev1.PersistentVolumeAccessMode
	}{
		{"a disk that many nodes write", provisioner.DiskDriver, disk, "20Gi", corev1.ReadWriteMany},
		{"a disk that many nodes read", provisioner.DiskDriver, disk, "20Gi", corev1.ReadOnlyMany},
		{"a disk that is too small", provisioner.DiskDriver, disk, "19Gi", corev1.ReadWriteOnce},
		{"a disk of no category", provisioner.DiskDriver, map[string]string{"type": "none"}, "20Gi", corev1.ReadWriteOnce},
		{"a directory whose parent is not there", provisioner.NASDriver, map[string]string{"server": server + ":/none"}, "1Gi", corev1.ReadWriteMany},
		{"a directory of no mount target", provisioner.NASDriver, map[string]string{"server": "none-1:/"}, "1Gi", corev1.ReadWriteMany},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			api := newAPI(t)
			b := start(t, api)
			before := b.cloud.ECS().Inventory(account)
			claim(t, api, &storagev1.StorageClass{Provisioner: tt.driver, Parameters: tt.parameters}, tt.size, tt.mode)
			wait(t, "the event", func(ctx context.Context) error { return hasEvent(ctx, api, "data", "ProvisioningFailed") })
			equal(t, "what the account has", b.cloud.ECS().Inventory(account), before)
			var volumes corev1.PersistentVolumeList
			if err := api.List(t.Context(), &volumes); err != nil || len(volumes.Items) > 0 {
				t.Errorf("volumes: %v, %v", volumes.Items, err)
			}
		})
	}
}
