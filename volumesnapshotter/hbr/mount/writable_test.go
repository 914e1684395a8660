// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

// TestAVolumeThatIsOnlyReadIsMountedToBeRestored holds of the temporary volume what decides whether a job can write into
// it, and that a backup, which reads it, mounts it as applications do.
func TestAVolumeThatIsOnlyReadIsMountedToBeRestored(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		pv, want string
	}{
		{
			"by its access mode",
			`{spec: {accessModes: [ReadOnlyMany], nfs: {server: 10.0.0.9, path: /a}}}`,
			`{spec: {accessModes: [ReadWriteMany], nfs: {server: 10.0.0.9, path: /a}}}`,
		},
		{
			"by the first of its access modes",
			`{spec: {accessModes: [ReadOnlyMany, ReadWriteMany, ReadWriteOnce], nfs: {server: 10.0.0.9, path: /a}}}`,
			`{spec: {accessModes: [ReadWriteMany, ReadWriteOnce], nfs: {server: 10.0.0.9, path: /a}}}`,
		},
		{
			"by its source, of NFS",
			`{spec: {accessModes: [ReadWriteMany], nfs: {server: 10.0.0.9, path: /a, readOnly: true}}}`,
			`{spec: {accessModes: [ReadWriteMany], nfs: {server: 10.0.0.9, path: /a}}}`,
		},
		{
			"by its source, of CSI",
			`{spec: {accessModes: [ReadWriteMany], csi: {driver: cephfs.csi.ceph.com, volumeHandle: velero-hbr-abc12345, readOnly: true}}}`,
			`{spec: {accessModes: [ReadWriteMany], csi: {driver: cephfs.csi.ceph.com, volumeHandle: velero-hbr-abc12345}}}`,
		},
		{
			"by its source, of FlexVolume",
			`{spec: {accessModes: [ReadWriteMany], flexVolume: {driver: alicloud/nas, readOnly: true, options: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /a, options: "nolock,ro"}}}}`,
			`{spec: {accessModes: [ReadWriteMany], flexVolume: {driver: alicloud/nas, options: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /a, options: nolock}}}}`,
		},
		{
			"by its mount options",
			`{spec: {accessModes: [ReadWriteMany], mountOptions: [ro, "nolock,ro,tcp", rootmode=1, vers=3], nfs: {server: 10.0.0.9, path: /a}}}`,
			`{spec: {accessModes: [ReadWriteMany], mountOptions: ["nolock,tcp", rootmode=1, vers=3], nfs: {server: 10.0.0.9, path: /a}}}`,
		},
		{
			"by the mount options of old",
			`{metadata: {annotations: {volume.beta.kubernetes.io/mount-options: "nolock,ro"}}, spec: {accessModes: [ReadWriteMany], nfs: {server: 10.0.0.9, path: /a}}}`,
			`{metadata: {annotations: {volume.beta.kubernetes.io/mount-options: nolock}}, spec: {accessModes: [ReadWriteMany], nfs: {server: 10.0.0.9, path: /a}}}`,
		},
		{
			"by the mount options of old, and by nothing else of them",
			`{metadata: {annotations: {volume.beta.kubernetes.io/mount-options: ro}}, spec: {accessModes: [ReadWriteMany], nfs: {server: 10.0.0.9, path: /a}}}`,
			`{spec: {accessModes: [ReadWriteMany], nfs: {server: 10.0.0.9, path: /a}}}`,
		},
		{
			"by the options of its bucket",
			`{spec: {accessModes: [ReadOnlyMany], csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: velero-hbr-abc12345, volumeAttributes: {bucket: shop, otherOpts: "-o umask=022 -o ro -o allow_other"}}}}`,
			`{spec: {accessModes: [ReadWriteMany], csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: velero-hbr-abc12345, volumeAttributes: {bucket: shop, otherOpts: "-o umask=022 -o allow_other"}}}}`,
		},
		{
			"by none of these",
			`{metadata: {annotations: {volume.beta.kubernetes.io/mount-options: "vers=3,tcp"}}, spec: {accessModes: [ReadWriteOnce, ReadOnlyMany], mountOptions: ["nolock, tcp"], csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: velero-hbr-abc12345, volumeAttributes: {bucket: shop, otherOpts: "-o  allow_other"}}}}`,
			`{metadata: {annotations: {volume.beta.kubernetes.io/mount-options: "vers=3,tcp"}}, spec: {accessModes: [ReadWriteOnce, ReadOnlyMany], mountOptions: ["nolock, tcp"], csi: {driver: ossplugin.csi.alibabacloud.com, volumeHandle: velero-hbr-abc12345, volumeAttributes: {bucket: shop, otherOpts: "-o  allow_other"}}}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, owner := range []Owner{restoreOwner(), ownerNamed("abc12345")} {
				want := volumeFrom(t, tt.want)
				if owner.Kind == Backup {
					want = volumeFrom(t, tt.pv)
				}
				w := newWorld(t)
				pv := sized(t, "pv-1", tt.pv)
				pv.Spec.AccessModes = volumeFrom(t, tt.pv).Spec.AccessModes
				before := pv.DeepCopy()
				if _, waiting, err := w.Mount(t.Context(), owner, pv, agent.Search{}); err != nil || waiting == "" {
					t.Fatalf("waiting for %q, error %v", waiting, err)
				}
				got, claim := get[corev1.PersistentVolume](t, w, "", owner.name()), get[corev1.PersistentVolumeClaim](t, w, velero, owner.name())
				if diff := cmp.Diff(accessOf(want), accessOf(got)); diff != "" {
					t.Errorf("%s: volume (-want +got):\n%s", owner.Kind, diff)
				}
				if diff := cmp.Diff(want.Spec.AccessModes, claim.Spec.AccessModes); diff != "" {
					t.Errorf("%s: modes of the claim (-want +got):\n%s", owner.Kind, diff)
				}
				if diff := cmp.Diff(before, pv); diff != "" {
					t.Errorf("%s: the volume itself was changed (-before +after):\n%s", owner.Kind, diff)
				}
			}
		})
	}
}

// accessOf is what decides how a volume is mounted.
func accessOf(pv *corev1.PersistentVolume) corev1.PersistentVolume {
	access := corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{
		AccessModes: pv.Spec.AccessModes, MountOptions: pv.Spec.MountOptions, PersistentVolumeSource: pv.Spec.PersistentVolumeSource,
	}}
	access.Annotations = map[string]string{corev1.MountOptionAnnotation: pv.Annotations[corev1.MountOptionAnnotation]}
	return access
}

func TestTheOptionsOfABucketThatIsWrittenTo(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, options, want string }{
		{"none", "", ""},
		{"the option alone", "-o ro", ""},
		{"the option without a space", "-oro", ""},
		{"the option among others", "-o allow_other -oro,gid=1000 -o umask=022", "-o allow_other -ogid=1000 -o umask=022"},
		{"the option at the end of others", "-o max_stat_cache_size=0,allow_other,ro", "-o max_stat_cache_size=0,allow_other"},
		{"options that begin as it does", "-o rom -oro_x=1 -o a=ro", "-o rom -oro_x=1 -o a=ro"},
		{"what is no option", "ro --option ro", "ro --option ro"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := writableArguments(tt.options); got != tt.want {
				t.Errorf("writableArguments(%q) = %q, want %q", tt.options, got, tt.want)
			}
		})
	}
}

func TestAVolumeIsProvisionedToBeWrittenTo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, class string
		modes, want []corev1.PersistentVolumeAccessMode
	}{
		{
			"a file system that is only read", "direct",
			[]corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany},
			[]corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany},
		},
		{
			"a file system that is read by many and written by one", "direct",
			[]corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce, corev1.ReadOnlyMany},
			[]corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce, corev1.ReadOnlyMany},
		},
		{
			"a disk that is only read", "waiting",
			[]corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany},
			[]corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		},
	}
	sim := newCloud(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldIn(t, sim)
			claim := ofClass(tt.class, true)
			claim.Modes = tt.modes
			made := w.provisioned(t, restoreOwner(), claim)
			if diff := cmp.Diff(tt.want, get[corev1.PersistentVolumeClaim](t, w, velero, restoreOwner().name()).Spec.AccessModes); diff != "" {
				t.Errorf("modes of the claim (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, made.Volume.Spec.AccessModes); diff != "" {
				t.Errorf("modes of the volume (-want +got):\n%s", diff)
			}
		})
	}
}
