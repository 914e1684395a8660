// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/cloudsimtest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

const (
	account   = "1000000000000001"
	server    = "fs1-abc12.cn-hangzhou.nas.aliyuncs.com"
	namespace = "shop"
	first     = "node-1"
	second    = "node-2"
)

const simulated = `
accounts:
- id: "1000000000000001"
  ownerKey: {id: LTAIowner, secret: owner-secret}
nas:
  fileSystems:
  - {id: fs1, account: "1000000000000001", region: cn-hangzhou, files: {shop/orders.csv: "1,tea"}}
buckets:
- {name: bucket-1, owner: "1000000000000001", region: cn-hangzhou}
ecs:
  regions:
  - {id: cn-hangzhou, zones: [{id: cn-hangzhou-h}, {id: cn-hangzhou-i}]}
  disks:
  - {id: d-1, account: "1000000000000001", zone: cn-hangzhou-h, size: 20, files: {a: disk}}
hbr:
  vaults: [{id: v-1, name: vault, account: "1000000000000001", region: cn-hangzhou}]
  clusters: [{id: cc-1, account: "1000000000000001", region: cn-hangzhou, identifier: c-1, token: token-1}]
`

// world is a cluster with two nodes that a test settles.
type world struct {
	*node.Cluster

	api   client.WithWatch
	cloud *cloudsim.Cloud
}

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, storagev1.AddToScheme, snapshotv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// newFake is a fake client in which the status of VolumeSnapshots is apart, as that of Kubernetes' own objects is.
func newFake(t *testing.T) client.WithWatch {
	t.Helper()
	return fake.NewClientBuilder().WithScheme(newScheme(t)).
		WithStatusSubresource(&snapshotv1.VolumeSnapshot{}, &snapshotv1.VolumeSnapshotContent{}).Build()
}

func newWorld(t *testing.T, changes ...func(*node.Options)) *world {
	t.Helper()
	w := &world{cloud: cloudsimtest.Start(t, simulated), api: node.NewClient(newFake(t), time.Now)}
	options := node.Options{
		Cloud: w.cloud, Account: account, Dir: t.TempDir(), ControllerManager: true,
		Nodes:       []node.Config{{Name: first, Zone: "cn-hangzhou-h", Directories: []string{"/data/local"}}, {Name: second, Zone: "cn-hangzhou-i"}},
		FileSystems: map[string]string{"cnfs-1": server},
	}
	for _, change := range changes {
		change(&options)
	}
	var err error
	if w.Cluster, err = node.New(t.Context(), w.api, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return w
}

// settle lets all happen that is to happen.
func (w *world) settle(t *testing.T) {
	t.Helper()
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// apply makes objects of YAML documents, and lets happen what follows.
func (w *world) apply(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := w.api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	w.settle(t)
}

// parse reads an object from YAML.
func parse[T any](t *testing.T, text string) *T {
	t.Helper()
	object := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return object
}

// shopPod is the Pod web, which mounts the claim data. More is of its spec.
func shopPod(t *testing.T, more string) *corev1.Pod {
	t.Helper()
	pod := parse[corev1.Pod](t, `spec: {containers: [{name: c, image: app, volumeMounts: [{name: v, mountPath: /d}]}],
  volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]}`)
	if more != "" {
		if err := yaml.Unmarshal([]byte(more), &pod.Spec); err != nil {
			t.Fatal(err)
		}
	}
	pod.Namespace, pod.Name = namespace, "web"
	return pod
}

// shopClaim is the claim data of a class, or of a volume.
func shopClaim(class, volume string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class, VolumeName: volume, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")}},
		},
	}
}

// pv is a volume of 20 GiB with a source.
func pv(t *testing.T, name, source string) *corev1.PersistentVolume {
	t.Helper()
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := yaml.UnmarshalStrict([]byte(source), &volume.Spec); err != nil {
		t.Fatal(err)
	}
	volume.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	volume.Spec.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")}
	return volume
}

// class is the StorageClass class-1.
func class(t *testing.T, text string) *storagev1.StorageClass {
	t.Helper()
	c := parse[storagev1.StorageClass](t, text)
	c.Name = "class-1"
	return c
}

// get reads an object anew. It is nil when there is none.
func get[T any, P interface {
	*T
	client.Object
}](t *testing.T, w *world, namespace, name string) P {
	t.Helper()
	object := P(new(T))
	err := w.api.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return object
}

// events returns the messages of the events about an object of the namespace shop.
func (w *world) events(t *testing.T, name string) []string {
	t.Helper()
	var all corev1.EventList
	if err := w.api.List(t.Context(), &all, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	var messages []string
	for _, e := range all.Items {
		if e.InvolvedObject.Name == name {
			messages = append(messages, e.Reason+": "+e.Message)
		}
	}
	slices.Sort(messages)
	return messages
}

// mountOf returns the directory of a Pod's volume on its node, "" if nothing is there.
func (w *world) mountOf(t *testing.T, pod *corev1.Pod, below string) string {
	t.Helper()
	dir, err := w.Files(pod.Spec.NodeName).Resolve(filepath.Join("/var/lib/kubelet/pods", string(pod.UID), "volumes", below))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// files returns the files of a directory with their content.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		all[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// equal compares.
func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// eventually waits for what a cluster that was started does by itself.
func eventually(t *testing.T, what string, done func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !done(ctx) {
		select {
		case <-ctx.Done():
			t.Fatal(fmt.Errorf("%s: %w", what, ctx.Err()))
		case <-ticker.C:
		}
	}
}
