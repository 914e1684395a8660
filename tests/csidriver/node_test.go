// SPDX-License-Identifier: Apache-2.0

package csidriver_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/csidriver"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// filesystem is a capability of a volume with files.
func filesystem(mode csi.VolumeCapability_AccessMode_Mode) *csi.VolumeCapability {
	return &csi.VolumeCapability{
		AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{}},
		AccessMode: &csi.VolumeCapability_AccessMode{Mode: mode},
	}
}

const (
	oneWriter = csi.VolumeCapability_AccessMode_SINGLE_NODE_WRITER
	shared    = csi.VolumeCapability_AccessMode_MULTI_NODE_MULTI_WRITER
	reader    = csi.VolumeCapability_AccessMode_MULTI_NODE_READER_ONLY
)

func TestTheKubeletFindsTheDrivers(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	for _, name := range csidriver.Names() {
		kubelet := registration.NewRegistrationClient(b.dial(t, filepath.Join(b.KubeletDir, "plugins_registry", name+"-reg.sock")))
		info, err := kubelet.GetInfo(t.Context(), &registration.InfoRequest{})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "the name", info.GetName(), name)
		if _, err := kubelet.NotifyRegistrationStatus(t.Context(), &registration.RegistrationStatus{PluginRegistered: true}); err != nil {
			t.Error(err)
		}
		if _, err := kubelet.NotifyRegistrationStatus(t.Context(), &registration.RegistrationStatus{Error: "no"}); err == nil {
			t.Error("a refusal is taken for a success")
		}
		connection := b.dial(t, info.GetEndpoint())
		plugin, err := csi.NewIdentityClient(connection).GetPluginInfo(t.Context(), &csi.GetPluginInfoRequest{})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "the driver", plugin.GetName(), name)
		node, err := csi.NewNodeClient(connection).NodeGetInfo(t.Context(), &csi.NodeGetInfoRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var topology map[string]string
		if name == provisioner.DiskDriver {
			topology = map[string]string{provisioner.DiskZoneLabel: zone, "topology.kubernetes.io/zone": zone}
		}
		equal(t, "the topology", node.GetAccessibleTopology().GetSegments(), topology)
	}
}

func TestADiskIsAttachedAsLongAsItIsStaged(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	node := csi.NewNodeClient(b.dial(t, b.Socket(provisioner.DiskDriver)))
	staging, target := filepath.Join(b.KubeletDir, "staging"), b.target("pod-1")
	publish := &csi.NodePublishVolumeRequest{
		VolumeId: "d-1", StagingTargetPath: staging, TargetPath: target, VolumeCapability: filesystem(oneWriter), Readonly: true,
	}
	for range 2 { // The kubelet repeats what it does not know the end of.
		_, err := node.NodeStageVolume(t.Context(), &csi.NodeStageVolumeRequest{
			VolumeId: "d-1", StagingTargetPath: staging, VolumeCapability: filesystem(oneWriter),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := node.NodePublishVolume(t.Context(), publish); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := b.cloud.ECS().DiskDir("d-1")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "mounts", b.mounts.all(), map[string]mount{staging: {Source: dir}, target: {Source: staging, ReadOnly: true}})
	equal(t, "the instances", b.attached("d-1"), []string{instance})

	for range 2 {
		if _, err := node.NodeUnpublishVolume(t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: "d-1", TargetPath: target}); err != nil {
			t.Fatal(err)
		}
		if _, err := node.NodeUnstageVolume(t.Context(), &csi.NodeUnstageVolumeRequest{VolumeId: "d-1", StagingTargetPath: staging}); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "mounts afterwards", b.mounts.all(), map[string]mount{})
	equal(t, "the instances afterwards", len(b.attached("d-1")), 0)
	if _, err := os.Stat(target); !os.IsNotExist(err) {
		t.Errorf("the directory of the Pod: %v", err)
	}
	if _, err := node.NodeUnstageVolume(t.Context(), &csi.NodeUnstageVolumeRequest{VolumeId: "d-gone", StagingTargetPath: staging}); err != nil {
		t.Errorf("a disk that was deleted: %v", err)
	}
}

func TestDisksThatCanNotBeAttached(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	node := csi.NewNodeClient(b.dial(t, b.Socket(provisioner.DiskDriver)))
	block := &csi.VolumeCapability{AccessType: &csi.VolumeCapability_Block{Block: &csi.VolumeCapability_BlockVolume{}}}
	tests := []struct {
		name, disk string
		capability *csi.VolumeCapability
		want       string
	}{
		{"a disk of another zone", "d-far", filesystem(oneWriter), "attach disk d-far to i-worker: they differ in zone or account"},
		{"a disk that another instance has", "d-taken", filesystem(oneWriter), "attach disk d-taken to i-worker: the disk is In_use"},
		{"a disk that there is not", "d-none", filesystem(oneWriter), "disk d-none: not found in the simulated ECS"},
		{"a device", "d-1", block, "block volumes have no devices in the simulated cloud"},
		{"no capability", "d-1", nil, "volume id, path and capability are required"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := node.NodeStageVolume(t.Context(), &csi.NodeStageVolumeRequest{
				VolumeId: tt.disk, StagingTargetPath: filepath.Join(b.KubeletDir, "staging-"+tt.disk), VolumeCapability: tt.capability,
			})
			equal(t, "the error", status.Convert(err).Message(), tt.want)
		})
	}
	_, err := node.NodePublishVolume(t.Context(), &csi.NodePublishVolumeRequest{
		VolumeId: "d-1", TargetPath: b.target("pod-1"), VolumeCapability: filesystem(oneWriter),
	})
	equal(t, "a disk that is not staged", status.Code(err), codes.FailedPrecondition)
}

func TestFilesOfNAS(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	node := csi.NewNodeClient(b.dial(t, b.Socket(provisioner.NASDriver)))
	f, err := b.cloud.NAS().FileSystem("fs1")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name       string
		attributes map[string]string
		mode       csi.VolumeCapability_AccessMode_Mode
		want       mount
		err        string
	}{
		{"a directory", map[string]string{"server": server, "path": "/shop"}, shared, mount{Source: filepath.Join(f.Dir, "shop")}, ""},
		{"the root", map[string]string{"server": server}, shared, mount{Source: f.Dir}, ""},
		{"one that is made", map[string]string{"server": server + ":/a", "path": "b"}, shared, mount{Source: filepath.Join(f.Dir, "a/b")}, ""},
		{"one of a CNFS object", map[string]string{"containerNetworkFileSystem": csidriver.CNFS, "path": "/shop"}, shared, mount{Source: filepath.Join(f.Dir, "shop")}, ""},
		{"one to be read", map[string]string{"server": server, "path": "/shop"}, reader, mount{filepath.Join(f.Dir, "shop"), true}, ""},
		{"no mount target", map[string]string{"server": "none"}, shared, mount{}, "mount.nfs: Failed to resolve server none: Name or service not known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target := b.target(filepath.Base(t.Name()))
			_, err := node.NodePublishVolume(t.Context(), &csi.NodePublishVolumeRequest{
				VolumeId: "v", TargetPath: target, VolumeCapability: filesystem(tt.mode), VolumeContext: tt.attributes,
			})
			equal(t, "the error", status.Convert(err).Message(), tt.err)
			equal(t, "what is mounted", b.mounts.all()[target], tt.want)
		})
	}
}

func TestObjectsOfABucket(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	node := csi.NewNodeClient(b.dial(t, b.Socket(provisioner.OSSDriver)))
	if err := b.cloud.OSS().Put("bucket-1", "base/old", []byte("x")); err != nil {
		t.Fatal(err)
	}
	target := b.target("pod-1")
	request := &csi.NodePublishVolumeRequest{
		VolumeId: "v", TargetPath: target, VolumeCapability: filesystem(shared),
		VolumeContext: map[string]string{"bucket": "bucket-1", "path": "/base"},
	}
	_, err := node.NodePublishVolume(t.Context(), request)
	equal(t, "without a key", status.Code(err), codes.InvalidArgument)
	request.Secrets = map[string]string{"akId": "id", "akSecret": "secret"}
	if _, err := node.NodePublishVolume(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	dir := b.mounts.all()[target].Source
	if data, err := os.ReadFile(filepath.Join(dir, "old")); err != nil || string(data) != "x" {
		t.Errorf("the object is %q, %v", data, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "new"), []byte("y"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := node.NodeUnpublishVolume(t.Context(), &csi.NodeUnpublishVolumeRequest{VolumeId: "v", TargetPath: target}); err != nil {
		t.Fatal(err)
	}
	if data, err := b.cloud.OSS().Read("bucket-1", "base/new"); err != nil || string(data) != "y" {
		t.Errorf("the new object is %q, %v", data, err)
	}
}
