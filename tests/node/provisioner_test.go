// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

func TestVolumesAreProvisionedAndReclaimed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, class string
		// node is where the Pod must be.
		node string
		// selected is the node that the claim waits for.
		selected string
	}{
		{"NAS", `{provisioner: nasplugin.csi.alibabacloud.com, parameters: {server: "` + server + `:/k8s", volumeAs: subpath}, reclaimPolicy: Delete}`, first, ""},
		{"NAS of a CNFS object", `{provisioner: nasplugin.csi.alibabacloud.com, parameters: {containerNetworkFileSystem: cnfs-1}}`, first, ""},
		{"a file system of its own", `{provisioner: nasplugin.csi.alibabacloud.com, parameters: {volumeAs: filesystem}}`, first, ""},
		{"OSS", `{provisioner: ossplugin.csi.alibabacloud.com, parameters: {bucket: bucket-1, path: /base}}`, first, ""},
		{"a disk at once", `{provisioner: diskplugin.csi.alibabacloud.com, parameters: {type: cloud_essd, zoneId: cn-hangzhou-i}}`, second, ""},
		{
			"a disk where the Pod is",
			`{provisioner: diskplugin.csi.alibabacloud.com, parameters: {type: cloud_essd}, volumeBindingMode: WaitForFirstConsumer}`, second, second,
		},
		{"a foreign driver", `{provisioner: csi.example.com}`, first, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.apply(t, class(t, tt.class), shopClaim("class-1", ""))
			claim := get[corev1.PersistentVolumeClaim](t, w, namespace, "data")
			if bound := claim.Status.Phase == corev1.ClaimBound; bound == (tt.selected != "") {
				t.Fatalf("the claim is %q before there is a Pod: %v", claim.Status.Phase, w.events(t, "data"))
			}
			selector := ""
			if tt.selected != "" {
				selector = "nodeSelector: {kubernetes.io/hostname: " + tt.selected + "}"
			}
			w.apply(t, shopPod(t, selector))
			pod := get[corev1.Pod](t, w, namespace, "web")
			if pod.Status.Phase != corev1.PodRunning {
				t.Fatalf("the Pod is %s: %v, %v", pod.Status.Phase, w.events(t, "web"), w.events(t, "data"))
			}
			equal(t, "the node", pod.Spec.NodeName, tt.node)
			claim = get[corev1.PersistentVolumeClaim](t, w, namespace, "data")
			volume := get[corev1.PersistentVolume](t, w, "", claim.Spec.VolumeName)
			dir := w.mountOf(t, pod, "kubernetes.io~csi/"+volume.Name+"/mount")
			if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}

			if err := errors.Join(w.api.Delete(t.Context(), claim), w.Settle(t.Context())); err != nil {
				t.Fatal(err)
			}
			if get[corev1.PersistentVolumeClaim](t, w, namespace, "data") == nil {
				t.Error("the claim has gone while a Pod has it")
			}
			if err := errors.Join(w.api.Delete(t.Context(), pod), w.Settle(t.Context())); err != nil {
				t.Fatal(err)
			}
			if get[corev1.PersistentVolume](t, w, "", volume.Name) != nil {
				t.Error("the volume is there")
			}
			if left, err := os.ReadDir(dir); err == nil && len(left) > 0 {
				t.Errorf("the storage has %v", left)
			}
			if left := w.cloud.OSS().Objects("bucket-1"); len(left) > 0 {
				t.Errorf("the bucket has %v", left)
			}
		})
	}
}

func TestAVolumeThatIsRetainedKeepsItsFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.apply(t, class(t, `{provisioner: csi.example.com, reclaimPolicy: Retain}`), shopClaim("class-1", ""), shopPod(t, ""))
	claim := get[corev1.PersistentVolumeClaim](t, w, namespace, "data")
	volume := get[corev1.PersistentVolume](t, w, "", claim.Spec.VolumeName)
	content, err := w.Content(volume)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(content.Dir, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	pod := get[corev1.Pod](t, w, namespace, "web")
	if err := errors.Join(w.api.Delete(t.Context(), pod), w.api.Delete(t.Context(), claim), w.Settle(t.Context())); err != nil {
		t.Fatal(err)
	}
	equal(t, "the phase", get[corev1.PersistentVolume](t, w, "", volume.Name).Status.Phase, corev1.VolumeReleased)
	equal(t, "the files", files(t, content.Dir), map[string]string{"file": "x"})
}

func TestProvisioningThatFails(t *testing.T) {
	t.Parallel()
	const disk = `{provisioner: diskplugin.csi.alibabacloud.com, parameters: {type: cloud_essd}}`
	tests := []struct {
		name, class string
		change      func(*corev1.PersistentVolumeClaim)
		faults      node.Faults
		want        []string
	}{
		{
			"a disk that many nodes write", disk,
			func(c *corev1.PersistentVolumeClaim) { c.Spec.AccessModes[0] = corev1.ReadWriteMany },
			node.Faults{},
			[]string{`ProvisioningFailed: failed to provision volume with StorageClass "class-1": multi-node writing is only supported for ` +
				`block volume. For Kubernetes users, if unsure, use ReadWriteOnce access mode in PersistentVolumeClaim for disk volume`},
		},
		{
			"a device of NAS", `{provisioner: nasplugin.csi.alibabacloud.com}`,
			func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeMode = new(corev1.PersistentVolumeBlock) },
			node.Faults{},
			[]string{`ProvisioningFailed: failed to provision volume with StorageClass "class-1": block volumes are not supported`},
		},
		{
			"a mount target that there is not", `{provisioner: nasplugin.csi.alibabacloud.com, parameters: {server: "none:/"}}`, nil,
			node.Faults{},
			[]string{`ProvisioningFailed: failed to provision volume with StorageClass "class-1": there is no mount target "none"`},
		},
		{
			"a fault", disk, nil,
			node.Faults{Provision: func(*corev1.PersistentVolumeClaim) error { return errors.New("out of stock") }},
			[]string{`ProvisioningFailed: failed to provision volume with StorageClass "class-1": out of stock`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(o *node.Options) { o.Faults = tt.faults })
			claim := shopClaim("class-1", "")
			if tt.change != nil {
				tt.change(claim)
			}
			w.apply(t, class(t, tt.class), claim, shopPod(t, ""))
			equal(t, "events of the claim", w.events(t, "data"), tt.want)
			equal(t, "events of the Pod", w.events(t, "web"),
				[]string{"FailedScheduling: 0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."})
		})
	}
}

func TestAClaimThatWaitsForAPodThatWillNotCome(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *node.Options) { o.FirstConsumer = second })
	w.apply(t, class(t, `{provisioner: diskplugin.csi.alibabacloud.com, parameters: {type: cloud_essd}, volumeBindingMode: WaitForFirstConsumer}`),
		shopClaim("class-1", ""))
	claim := get[corev1.PersistentVolumeClaim](t, w, namespace, "data")
	equal(t, "the claim", claim.Status.Phase, corev1.ClaimBound)
	disks := w.cloud.ECS().Disks()
	equal(t, "the zone of its disk", disks[len(disks)-1].Zone, "cn-hangzhou-i")
}
