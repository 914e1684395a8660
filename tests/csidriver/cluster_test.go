// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package csidriver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/cloudsimtest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/expose"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/csidriver"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/images"
)

const (
	writerImage = "writer:test"
	// slow is how long a kubelet may take: it tries a mount that failed again after up to two minutes.
	slow = 3 * time.Minute
)

// TestPodsWriteToTheCloud has a real kubelet mount disks, NAS and OSS for real Pods. It needs root, and makes a cluster.
func TestPodsWriteToTheCloud(t *testing.T) {
	ctx := t.Context()
	c, err := cluster.Up(ctx, cluster.Options{Name: "csi", Index: 7, Region: region, Zone: zone, Progress: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Down(context.WithoutCancel(ctx), "csi"); err != nil {
			t.Error(err)
		}
	})
	cloud, dir := cloudBeside(t, c)
	reached, err := expose.Apply(ctx, c.Client, cloud.Addresses())
	if err != nil {
		t.Fatal(err)
	}
	load(t, c, images.BuildCSIDriver)
	load(t, c, func(ctx context.Context) (string, error) {
		return cluster.BuildImage(ctx, cluster.Image{
			Name: writerImage, Files: map[string]string{"/bin/busybox": "/bin/busybox"}, Links: map[string]string{"/bin/sh": "busybox"},
		})
	})
	err = csidriver.Install(ctx, c.Client, csidriver.Options{
		Image: images.CSIDriver, AdminURL: reached.Admin, ProxyURL: reached.Proxy, StateDir: dir, KubeletDir: c.KubeletDir,
		Region: region, Instance: instance, Zone: zone,
		Account:     csidriver.Account{ID: account, AccessKeyID: "LTAIowner", AccessKeySecret: "owner-secret"},
		FileSystems: map[string]string{csidriver.CNFS: server},
	})
	if err != nil {
		t.Fatal(err)
	}
	create(t, c, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}})
	before := cloud.ECS().Inventory(account)

	t.Run("what a Pod writes is in the disk, the file system and the bucket", func(t *testing.T) { writes(t, c, cloud) })
	t.Run("a disk of another zone is not mounted", func(t *testing.T) { farAway(t, c) })
	t.Run("nothing is left of volumes whose claims have gone", func(t *testing.T) {
		for _, name := range []string{"disk", "nas"} {
			remove(t, c, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}})
		}
		eventually(t, "the end of the storage", func(context.Context) error {
			f, err := cloud.NAS().FileSystem("fs1")
			if err != nil {
				return err
			}
			entries, err := os.ReadDir(f.Dir)
			if now := cloud.ECS().Inventory(account); err == nil && (len(now.Disks) != len(before.Disks) || len(entries) != 1) {
				err = fmt.Errorf("there are %v and %v", now, entries)
			}
			return err
		})
	})
}

// cloudBeside starts a cloud that the cluster reaches.
func cloudBeside(t *testing.T, c *cluster.Cluster) (*cloudsim.Cloud, string) {
	t.Helper()
	dir, at := t.TempDir(), net.JoinHostPort(c.HostAddress, "0")
	return cloudsimtest.Start(t, simulated, cloudsim.WithStateDir(dir), cloudsim.WithListen(cloudsim.Listen{
		OSS: at, RPC: at, Proxy: at, Admin: at,
	})), dir
}

func load(t *testing.T, c *cluster.Cluster, build func(context.Context) (archive string, err error)) {
	t.Helper()
	archive, err := build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.LoadImage(t.Context(), archive); err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, c *cluster.Cluster, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := c.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}

func remove(t *testing.T, c *cluster.Cluster, object client.Object) {
	t.Helper()
	if err := c.Client.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// eventually is wait for what a kubelet does.
func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	if err := poll.Until(t.Context(), slow, what, check); err != nil {
		t.Fatal(err)
	}
}

// claimOf asks for a volume of a class.
func claimOf(name, class, size string, mode corev1.PersistentVolumeAccessMode, volume string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class, VolumeName: volume, AccessModes: []corev1.PersistentVolumeAccessMode{mode},
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}},
		},
	}
}

// writer is a Pod that is not root and writes a file to each of its claims, which are mounted by their names.
func writer(name string, claims ...string) *corev1.Pod {
	const user = 65532
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	script := []string{"set -e"}
	for _, claim := range claims {
		script = append(script, "echo "+name+" > /"+claim+"/file")
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: claim, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
		}})
	}
	container := corev1.Container{Name: "c", Image: writerImage, Command: []string{
		"/bin/sh", "-c", strings.Join(append(script, "exec busybox sleep 1000000"), "; "),
	}}
	for _, claim := range claims {
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: claim, MountPath: "/" + claim})
	}
	pod.Spec.Containers = []corev1.Container{container}
	pod.Spec.TerminationGracePeriodSeconds = new(int64(0))
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: new(int64(user)), FSGroup: new(int64(user))}
	return pod
}

// ossVolume is a volume that is the objects of the bucket below a path, with its key.
func ossVolume() []client.Object {
	return []client.Object{
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "oss"},
			Data:       map[string][]byte{"akId": []byte("LTAIowner"), "akSecret": []byte("owner-secret")},
		},
		&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "oss"}, Spec: corev1.PersistentVolumeSpec{
			Capacity:    corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("5Gi")},
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}, MountOptions: []string{"allow_other"},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: "ossplugin.csi.alibabacloud.com", VolumeHandle: "oss", NodePublishSecretRef: &corev1.SecretReference{Namespace: "shop", Name: "oss"},
				VolumeAttributes: map[string]string{"bucket": "bucket-1", "path": "/base"},
			}},
		}},
	}
}

func writes(t *testing.T, c *cluster.Cluster, cloud *cloudsim.Cloud) {
	t.Helper()
	pod := writer("web", "disk", "nas", "oss")
	// What ossfs shows belongs to root.
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{}
	create(t, c, append(
		ossVolume(),
		claimOf("disk", "alicloud-disk-topology-alltype", "20Gi", corev1.ReadWriteOnce, ""),
		claimOf("nas", "alibabacloud-cnfs-nas", "1Gi", corev1.ReadWriteMany, ""),
		claimOf("oss", "", "5Gi", corev1.ReadWriteMany, "oss"),
		pod,
	)...)
	eventually(t, "the Pod", running(c, "web"))
	disk, files := volumeFor(t, c, "disk"), volumeFor(t, c, "nas")
	eventually(t, "what the Pod writes", func(context.Context) error {
		onDisk, errDisk := cloud.ECS().ReadFile(disk.VolumeHandle, "file")
		onNAS, errNAS := cloud.NAS().ReadFile("fs1", filepath.Join(files.VolumeAttributes["path"], "file"))
		inBucket, errOSS := cloud.OSS().Read("bucket-1", "base/file")
		if all := string(onDisk) + string(onNAS) + string(inBucket); all != "web\nweb\nweb\n" {
			return errors.Join(fmt.Errorf("there is %q", all), errDisk, errNAS, errOSS)
		}
		return nil
	})

	restart(t, c)
	remove(t, c, pod)
	eventually(t, "the end of the Pod", gone(c, pod))
	// Who is not root writes by the group of a disk, and because a NAS directory lets everybody.
	second := writer("second", "disk", "nas")
	second.Spec.Containers[0].Command[2] = strings.ReplaceAll(second.Spec.Containers[0].Command[2], "/file", "/second")
	create(t, c, second)
	eventually(t, "the second Pod", running(c, "second"))
	if data, err := cloud.ECS().ReadFile(disk.VolumeHandle, "second"); err != nil || string(data) != "second\n" {
		t.Errorf("the second Pod has written %q to the disk: %v", data, err)
	}
	remove(t, c, second)
	eventually(t, "the end of the second Pod", gone(c, second))
	eventually(t, "the end of the attachment", func(context.Context) error {
		for _, d := range cloud.ECS().Disks() {
			if d.ID == disk.VolumeHandle && len(d.Instances) > 0 {
				return fmt.Errorf("it is attached to %v", d.Instances)
			}
		}
		return nil
	})
}

// restart lets the driver begin anew while a Pod has volumes: what it knows is in the kernel, the kubelet and the cloud.
func restart(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	of := []client.ListOption{client.InNamespace(csidriver.Namespace), client.MatchingLabels{"app": csidriver.Name}}
	var old corev1.PodList
	if err := c.Client.List(t.Context(), &old, of...); err != nil {
		t.Fatal(err)
	}
	remove(t, c, &old.Items[0])
	eventually(t, "the next driver", func(ctx context.Context) error {
		var now corev1.PodList
		if err := c.Client.List(ctx, &now, of...); err != nil {
			return err
		}
		for _, pod := range now.Items {
			if pod.UID != old.Items[0].UID && len(pod.Status.ContainerStatuses) > 0 && pod.Status.ContainerStatuses[0].Ready {
				return nil
			}
		}
		return errNotYet
	})
}

// running says whether a Pod runs, else what its events are.
func running(c *cluster.Cluster, name string) func(context.Context) error {
	return func(ctx context.Context) error {
		pod := &corev1.Pod{}
		if err := c.Client.Get(ctx, client.ObjectKey{Namespace: "shop", Name: name}, pod); err != nil {
			return err
		}
		if len(pod.Status.ContainerStatuses) > 0 && pod.Status.ContainerStatuses[0].Ready {
			return nil
		}
		return fmt.Errorf("it is %s: %s", pod.Status.Phase, told(ctx, c))
	}
}

// told returns the events of the namespace.
func told(ctx context.Context, c *cluster.Cluster) string {
	var all corev1.EventList
	if err := c.Client.List(ctx, &all, client.InNamespace("shop")); err != nil {
		return err.Error()
	}
	var lines []string
	for _, e := range all.Items {
		lines = append(lines, e.InvolvedObject.Name+" "+e.Reason+": "+e.Message)
	}
	return strings.Join(lines, "\n")
}

func gone(c *cluster.Cluster, object client.Object) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := c.Client.Get(ctx, client.ObjectKeyFromObject(object), object); err == nil {
			return errNotYet
		} else if client.IgnoreNotFound(err) != nil {
			return err
		}
		return nil
	}
}

// volumeFor returns the source of a claim's volume.
func volumeFor(t *testing.T, c *cluster.Cluster, claim string) *corev1.CSIPersistentVolumeSource {
	t.Helper()
	bound, pv := &corev1.PersistentVolumeClaim{}, &corev1.PersistentVolume{}
	if err := c.Client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: claim}, bound); err != nil {
		t.Fatal(err)
	}
	if err := c.Client.Get(t.Context(), client.ObjectKey{Name: bound.Spec.VolumeName}, pv); err != nil {
		t.Fatal(err)
	}
	return pv.Spec.CSI
}

func farAway(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	create(t, c, &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "far"},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:    corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")},
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: "diskplugin.csi.alibabacloud.com", VolumeHandle: "d-far", FSType: "ext4",
			}},
		},
	}, claimOf("far", "", "20Gi", corev1.ReadWriteOnce, "far"), writer("far", "far"))
	eventually(t, "the event", func(ctx context.Context) error {
		if all := told(ctx, c); !strings.Contains(all, "FailedMount") || !strings.Contains(all, "differ in zone") {
			return errors.New(all)
		}
		return nil
	})
	remove(t, c, writer("far"))
	eventually(t, "the end of the Pod", gone(c, writer("far")))
}
