// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/cloudsimtest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

// Names of the world that the tests share.
const (
	defaultRoot = agent.DefaultKubeletRoot
	velero      = "velero"
	ownPlugin   = "registry.example.com/backup/velero-plugin-alibabacloud:v1"
	server      = "fs1-abc12.cn-hangzhou.nas.aliyuncs.com"
)

// Volumes of all kinds.
const (
	nasVolume      = `spec: {csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: nas-1, volumeAttributes: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /shop}}}`
	nasFlexVolume  = `spec: {flexVolume: {driver: alicloud/nas, options: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /shop}}}`
	nasInTree      = `spec: {nfs: {server: fs1-abc12.cn-hangzhou.nas.aliyuncs.com, path: /shop}}`
	ossFlexVolume  = `spec: {flexVolume: {driver: alicloud/oss, options: {bucket: shop, url: "https://oss-cn-hangzhou.aliyuncs.com"}}}`
	localVolume    = `spec: {local: {path: /mnt/disks/1}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-1]}]}]}}}`
	nfsVolume      = `spec: {nfs: {server: 10.0.0.9, path: /exports/a/}}`
	otherCSI       = `spec: {csi: {driver: cephfs.csi.ceph.com, volumeHandle: 0001-0024}}`
	inTreeDisk     = `spec: {awsElasticBlockStore: {volumeID: vol-1}}`
	diskVolume     = `spec: {csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1}}`
	diskFlexVolume = `spec: {flexVolume: {driver: alicloud/disk, options: {volumeId: d-1}}}`
	hostPathVolume = `spec: {hostPath: {path: /data/../data/shop/}}`
	blockVolume    = `spec: {volumeMode: Block, csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1}}`
)

// simulated is the cloud behind the volumes.
const simulated = `
accounts:
- id: "1000000000000001"
nas:
  fileSystems:
  - {id: fs1, account: "1000000000000001", region: cn-hangzhou, files: {shop/orders.csv: "1,tea"}}
ecs:
  regions:
  - {id: cn-hangzhou, zones: [{id: cn-hangzhou-h}]}
  disks:
  - {id: d-1, account: "1000000000000001", zone: cn-hangzhou-h, size: 20, files: {orders.csv: "1,tea"}}
`

// Volumes that are provisioned, and the files that are in each other one.
const (
	directClass  = `{provisioner: nasplugin.csi.alibabacloud.com, parameters: {server: "fs1-abc12.cn-hangzhou.nas.aliyuncs.com:/made"}, volumeBindingMode: Immediate}`
	waitingClass = `{provisioner: diskplugin.csi.alibabacloud.com, parameters: {type: cloud_essd}, volumeBindingMode: WaitForFirstConsumer}`
	keptClass    = `{provisioner: nasplugin.csi.alibabacloud.com, parameters: {server: "fs1-abc12.cn-hangzhou.nas.aliyuncs.com:/made"}, reclaimPolicy: Retain}`
	staticClass  = `{provisioner: kubernetes.io/no-provisioner, volumeBindingMode: WaitForFirstConsumer}`

	orders = "1,tea"
)

// world is a cluster with Velero and the nodes node-1 and node-2, in which nothing happens
// but by settle.
type world struct {
	*Mounts

	nodes *node.Cluster
	api   client.WithWatch
	cloud *cloudsim.Cloud
	// deny is asked before each call of a Mounts with what is called; an error of it is the answer.
	deny func(verb string, object any) error
}

// newWorld returns a world with two nodes, or those that are given.
func newWorld(t *testing.T, nodes ...node.Config) *world {
	t.Helper()
	return newWorldIn(t, newCloud(t), nodes...)
}

// newCloud returns the cloud behind the volumes.
func newCloud(t *testing.T) *cloudsim.Cloud {
	t.Helper()
	return cloudsimtest.Start(t, simulated)
}

// newWorldIn returns a world whose cloud may be that of others too.
func newWorldIn(t *testing.T, sim *cloudsim.Cloud, nodes ...node.Config) *world {
	t.Helper()
	if nodes == nil {
		nodes = []node.Config{{Name: "node-1", Zone: "cn-hangzhou-h", Directories: []string{"/mnt/disks/1", "/data/shop"}}, {Name: "node-2", Zone: "cn-hangzhou-h"}}
	}
	scheme, err := cluster.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{cloud: sim, api: node.NewClient(fake.NewClientBuilder().WithScheme(scheme).Build(), time.Now)}
	w.nodes, err = node.New(t.Context(), w.api, node.Options{
		Cloud: sim, Account: "1000000000000001", Dir: t.TempDir(), ControllerManager: true, Nodes: nodes,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.nodes.Close(); err != nil {
			t.Error(err)
		}
	})
	w.create(t, veleroWith(ownPlugin), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "nas-secret"}})
	for name, text := range map[string]string{"direct": directClass, "waiting": waitingClass, "kept": keptClass, "static": staticClass} {
		w.create(t, classFrom(t, name, text))
	}
	w.Mounts = w.process(Config{KubeletRoot: defaultRoot, HostPathRoot: "/data"})
	return w
}

// process returns the Mounts of another process, which knows nothing of the one before.
func (w *world) process(config Config) *Mounts {
	log, _ := logtest.NewNullLogger()
	return New(log, cluster.New(w.watched(), velero), config)
}

// watched returns a client that answers by deny.
func (w *world) watched() client.Client {
	ask := func(verb string, object any) error {
		if w.deny == nil {
			return nil
		}
		return w.deny(verb, object)
	}
	return interceptor.NewClient(w.api, interceptor.Funcs{
		Get: func(ctx context.Context, api client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			return answer(ask("get", object), func() error { return api.Get(ctx, key, object, options...) })
		},
		List: func(ctx context.Context, api client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			return answer(ask("list", list), func() error { return api.List(ctx, list, options...) })
		},
		Create: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.CreateOption) error {
			return answer(ask("create", object), func() error { return api.Create(ctx, object, options...) })
		},
		Patch: func(ctx context.Context, api client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return answer(ask("patch", object), func() error { return api.Patch(ctx, object, patch, options...) })
		},
		Delete: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			return answer(ask("delete", object), func() error { return api.Delete(ctx, object, options...) })
		},
	})
}

func answer(refused error, call func() error) error {
	if refused != nil {
		return refused
	}
	return call()
}

// settle lets all happen that is to happen.
func (w *world) settle(t *testing.T) {
	t.Helper()
	if err := w.nodes.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// create adds objects to the cluster.
func (w *world) create(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := w.api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}

// get reads an object; nil if it is not there.
func get[T any, P interface {
	*T
	client.Object
}](t *testing.T, w *world, namespace, name string,
) P {
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

// change changes an object of the cluster.
func change[T any, P interface {
	*T
	client.Object
}](t *testing.T, w *world, object P, how func(P),
) {
	t.Helper()
	if object == nil {
		t.Fatal("there is no object to change")
	}
	before, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		t.Fatalf("%T is no object", object)
	}
	how(object)
	changed, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		t.Fatalf("%T is no object", object)
	}
	if err := w.api.Patch(t.Context(), object, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	if err := w.api.Status().Patch(t.Context(), changed, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}

// waitLong has an owner's objects be waited for since an hour.
func (w *world) waitLong(t *testing.T, owner Owner) {
	t.Helper()
	long := func(object metav1.Object) {
		object.GetAnnotations()[sinceAnnotation] = time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	}
	if pod := get[corev1.Pod](t, w, velero, owner.name()); pod != nil {
		change(t, w, pod, func(p *corev1.Pod) { long(p) })
	}
	change(t, w, get[corev1.PersistentVolumeClaim](t, w, velero, owner.name()), func(c *corev1.PersistentVolumeClaim) { long(c) })
}

// left returns the names of the temporary objects and of the PersistentVolumes, but for
// those that are there without a run.
func (w *world) left(t *testing.T) []string {
	t.Helper()
	var names []string
	for kind, list := range map[string]client.ObjectList{
		"Pod ": &corev1.PodList{}, "claim ": &corev1.PersistentVolumeClaimList{}, "volume ": &corev1.PersistentVolumeList{},
	} {
		if err := w.api.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		for _, name := range namesIn(list) {
			names = append(names, kind+name)
		}
	}
	slices.Sort(names)
	return names
}

func namesIn(list client.ObjectList) []string {
	var names []string
	switch list := list.(type) {
	case *corev1.PodList:
		for i := range list.Items {
			names = append(names, list.Items[i].Name)
		}
	case *corev1.PersistentVolumeClaimList:
		for i := range list.Items {
			names = append(names, list.Items[i].Name)
		}
	case *corev1.PersistentVolumeList:
		for i := range list.Items {
			names = append(names, list.Items[i].Name)
		}
	}
	return names
}

// content returns the file orders.csv that is at a place; "" if nothing is.
func (w *world) content(t *testing.T, at Place) string {
	t.Helper()
	directory, err := w.nodes.Files(at.Node).Resolve(at.Directory)
	if err != nil {
		return ""
	}
	content, err := os.ReadFile(filepath.Join(directory, "orders.csv"))
	if err != nil {
		return ""
	}
	return string(content)
}

// made returns the directories that the provisioner has made in fs1.
func (w *world) made(t *testing.T) int {
	t.Helper()
	fs, err := w.cloud.NAS().FileSystem("fs1")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(fs.Dir, "made"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return len(entries)
}

// ownerNamed returns the owner of a mark in the run of the backup b-1.
func ownerNamed(mark string) Owner { return Owner{Kind: Backup, Run: "uid-b-1", Mark: mark} }

// volumeFrom returns the PersistentVolume of a YAML text.
func volumeFrom(tb testing.TB, text string) *corev1.PersistentVolume {
	tb.Helper()
	pv := &corev1.PersistentVolume{}
	if err := yaml.UnmarshalStrict([]byte(text), pv); err != nil {
		tb.Fatalf("the test's PersistentVolume: %v", err)
	}
	return pv
}

// sized returns the PersistentVolume of a YAML text as an API server takes it.
func sized(t *testing.T, name, text string) *corev1.PersistentVolume {
	t.Helper()
	pv := volumeFrom(t, text)
	pv.Name = name
	pv.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	pv.Spec.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")}
	return pv
}

func classFrom(t *testing.T, name, text string) *storagev1.StorageClass {
	t.Helper()
	class := &storagev1.StorageClass{}
	if err := yaml.UnmarshalStrict([]byte(text), class); err != nil {
		t.Fatal(err)
	}
	class.Name = name
	return class
}

// veleroWith returns Velero's Deployment with init containers of the images.
func veleroWith(images ...string) *appsv1.Deployment {
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: velero, Name: "velero"}}
	spec := &deployment.Spec.Template.Spec
	spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "pull"}}
	for _, image := range images {
		spec.InitContainers = append(spec.InitContainers, corev1.Container{Name: strings.NewReplacer("/", "-", ":", "-").Replace(image), Image: image})
	}
	return deployment
}

// mounted has a volume mounted for an owner, and returns where.
func (w *world) mounted(t *testing.T, owner Owner, pv *corev1.PersistentVolume, where agent.Search) Place {
	t.Helper()
	for range 5 {
		at, waiting, err := w.Mount(t.Context(), owner, pv, where)
		if err != nil {
			t.Fatal(err)
		}
		if waiting == "" {
			return at
		}
		w.settle(t)
	}
	t.Fatalf("%s is not mounted", pv.Name)
	return Place{}
}

// provisioned has a volume provisioned for an owner.
func (w *world) provisioned(t *testing.T, owner Owner, claim Claim) Provisioned {
	t.Helper()
	for range 5 {
		made, waiting, err := w.Provision(t.Context(), owner, claim, agent.Search{})
		if err != nil {
			t.Fatal(err)
		}
		if waiting == "" {
			return made
		}
		w.settle(t)
	}
	t.Fatalf("nothing of the class %s is provisioned", claim.Class)
	return Provisioned{}
}

// ofClass returns a claim of a class for 20 GiB.
func ofClass(class string, mounted bool) Claim {
	return Claim{Class: class, Size: resource.MustParse("20Gi"), Modes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, Mounted: mounted}
}
