// SPDX-License-Identifier: Apache-2.0

package backupitemaction_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
)

const (
	veleroNamespace = "velero"
	filesProvider   = "alibabacloud.com/hbr"
	diskProvider    = "velero.io/alibabacloud"
	pvName          = "pv-1"
	server          = "0a1b2c.cn-beijing.nas.aliyuncs.com"
)

// newBackup returns a running Backup that is made with both locations.
func newBackup() *velerov1.Backup {
	return &velerov1.Backup{
		ObjectMeta: metav1.ObjectMeta{Namespace: veleroNamespace, Name: "backup-1", UID: "uid-of-backup-1"},
		Spec:       velerov1.BackupSpec{VolumeSnapshotLocations: []string{"files", "disks"}},
		Status:     velerov1.BackupStatus{Phase: velerov1.BackupPhaseInProgress},
	}
}

func backupWith(change func(*velerov1.Backup)) *velerov1.Backup {
	backup := newBackup()
	change(backup)
	return backup
}

// newVolume returns the PersistentVolume of a file system, that of the claim shop/data.
func newVolume() *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolume"},
		ObjectMeta: metav1.ObjectMeta{Name: pvName},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName:       "alicloud-nas",
			PersistentVolumeSource: corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{Server: server, Path: "/shop"}},
			ClaimRef:               &corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: "shop", Name: "data"},
		},
	}
}

func volumeWith(change func(*corev1.PersistentVolume)) *corev1.PersistentVolume {
	pv := newVolume()
	change(pv)
	return pv
}

// ofCSI makes pv one of a CSI driver.
func ofCSI(pv *corev1.PersistentVolume) {
	pv.Spec.NFS = nil
	pv.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: "nasplugin.csi.alibabacloud.com", VolumeHandle: "h", VolumeAttributes: map[string]string{"server": server}}
}

// newClaim returns the claim of newVolume.
func newClaim(labels map[string]string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "data", Labels: labels},
		Spec:       corev1.PersistentVolumeClaimSpec{VolumeName: pvName},
		Status:     corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound},
	}
}

// newPod returns a Pod that mounts the claim shop/data as its volume "files".
func newPod(annotations map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Annotations: annotations},
		Spec: corev1.PodSpec{Volumes: []corev1.Volume{{
			Name: "files",
			VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
			},
		}}},
	}
}

// policies returns the ConfigMap of that name with volume policies.
func policies(name string, rules ...string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: veleroNamespace, Name: name},
		Data:       map[string]string{"policies": "version: v1\nvolumePolicies:\n" + strings.Join(rules, "")},
	}
}

// rule is a volume policy: its conditions and the type of its action.
func rule(conditions, action string) string {
	return fmt.Sprintf("- conditions:\n    %s\n  action:\n    type: %s\n", conditions, action)
}

func locationOf(name, provider string, config map[string]string) *velerov1.VolumeSnapshotLocation {
	return &velerov1.VolumeSnapshotLocation{
		ObjectMeta: metav1.ObjectMeta{Namespace: veleroNamespace, Name: name},
		Spec:       velerov1.VolumeSnapshotLocationSpec{Provider: provider, Config: config},
	}
}

// world is a cluster that is backed up, with the calls to its API server.
type world struct {
	api     client.WithWatch
	refused map[string]error // by call
	logged  *logrustest.Hook
	log     *logrus.Logger

	mu    sync.Mutex
	calls map[string]int // such as "get ConfigMap"
}

// newWorld returns a world with two locations and the objects.
func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	scheme, err := cluster.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	// The fake client sets the resource versions of what it is given, which tests share.
	own := make([]client.Object, len(objects))
	for i, object := range objects {
		copied, ok := object.DeepCopyObject().(client.Object)
		if !ok {
			t.Fatalf("the copy of a %T is no object", object)
		}
		own[i] = copied
	}
	own = append(
		own,
		locationOf("files", filesProvider, map[string]string{"of": "files"}),
		locationOf("disks", "alibabacloud", map[string]string{"of": "disks"}),
	)
	w := &world{refused: map[string]error{}, calls: map[string]int{}}
	w.log, w.logged = logrustest.NewNullLogger()
	w.api = fake.NewClientBuilder().WithScheme(scheme).WithObjects(own...).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if err := w.count("get " + kindOf(object)); err != nil {
				return err
			}
			return c.Get(ctx, key, object, options...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if err := w.count("list " + kindOf(list)); err != nil {
				return err
			}
			return c.List(ctx, list, options...)
		},
	}).Build()
	return w
}

func kindOf(object any) string {
	if metadata, ok := object.(*metav1.PartialObjectMetadata); ok {
		return "metadata of " + metadata.Kind
	}
	name := fmt.Sprintf("%T", object)
	return name[strings.LastIndex(name, ".")+1:]
}

func (w *world) count(call string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[call]++
	return w.refused[call]
}

// process returns the action as it is in a new process of the plugin.
func (w *world) process(flags backupitemaction.Server, providers map[string]backupitemaction.Snapshots) *backupitemaction.SnapshotProgress {
	return backupitemaction.NewSnapshotProgress(w.log, cluster.New(w.api, veleroNamespace), flags, providers)
}

// lines returns the messages at a level, each with its error.
func (w *world) lines(level logrus.Level) []string {
	var lines []string
	for _, entry := range w.logged.AllEntries() {
		if entry.Level != level {
			continue
		}
		line := entry.Message
		if err, ok := entry.Data[logrus.ErrorKey].(error); ok {
			line += ": " + err.Error()
		}
		lines = append(lines, line)
	}
	return lines
}

// wantCalls compares how often the API server was asked.
func (w *world) wantCalls(t *testing.T, want map[string]int) {
	t.Helper()
	if diff := cmp.Diff(want, w.calls); diff != "" {
		t.Errorf("the calls to the API server (-want +got):\n%s", diff)
	}
}

func asItem(t *testing.T, pv *corev1.PersistentVolume) *unstructured.Unstructured {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(pv)
	if err != nil {
		t.Fatal(err)
	}
	// A field of a newer Kubernetes, which no typed PersistentVolume has.
	if err := unstructured.SetNestedField(content, "field", "spec", "newer"); err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: content}
}

// taken is a snapshot that was asked for, by what it is asked for again.
type taken struct {
	Backup, Location, PersistentVolume, Volume string
}

func takenOf(backup *velerov1.Backup, location map[string]string, pv, volumeID string) taken {
	return taken{backup.Name, strings.Join(slices.Sorted(maps.Values(location)), ","), pv, volumeID}
}
