// SPDX-License-Identifier: Apache-2.0

package backupitemaction_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
)

const leftOutAnnotation = "alibabacloud.com/data-left-out"

// unmountedVolumes returns the action as it is in a new process.
func (w *world) unmountedVolumes() *backupitemaction.UnmountedVolumes {
	with := w.dependencies()
	return backupitemaction.NewUnmountedVolumes(w.log, with.Settings, with.Clients)
}

// skipping returns the settings of unmounted-volumes, of keys and values by turns.
func skipping(data ...string) *corev1.ConfigMap {
	set := map[string]string{}
	for i := 0; i < len(data); i += 2 {
		set[data[i]] = data[i+1]
	}
	return settingsFor(backupitemaction.UnmountedVolumesName, set)
}

// runningPod returns a Pod on a node that mounts the claim shop/data, with a change.
func runningPod(change func(*corev1.Pod)) *corev1.Pod {
	pod := newPod(nil)
	pod.Spec.NodeName = "node-1"
	pod.Status.Phase = corev1.PodRunning
	change(pod)
	return pod
}

func asItIs(*corev1.Pod) {}

func labeled(value string) *velerov1.Backup {
	return backupWith(func(b *velerov1.Backup) {
		b.Labels = map[string]string{"alibabacloud.com/skip-unmounted-volumes": value}
	})
}

func theClaim(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	return inNamespace(t, "PersistentVolumeClaim", "shop", "data")
}

// because is the volume of shop/data as one whose data is left out for a reason.
func because(item *unstructured.Unstructured, reason string) *unstructured.Unstructured {
	return withAnnotation(item, leftOutAnnotation, "backup-1: "+reason)
}

const (
	notMounted = "no running Pod mounts the claim shop/data"
	byLabels   = "the settings select the claim shop/data by its labels"
)

func TestWhoseDataIsLeftOut(t *testing.T) {
	t.Parallel()
	skipUnmounted := skipping("skipUnmounted", "true")
	selector := []string{"selector", "matchLabels: {tier: cache}"}
	cache := newClaim(map[string]string{"tier": "cache"})
	tests := []struct {
		name    string
		objects []client.Object
		backup  *velerov1.Backup
		// want is why the data is left out, empty where it is not.
		want string
		// dropped says that the PersistentVolume and the claim are left out.
		dropped bool
		reads   []string
	}{
		{name: "nobody's in a backup that does not ask for it"},
		{name: "nobody's with settings that say nothing", objects: []client.Object{skipping()}},
		{name: "that of a claim without a Pod", objects: []client.Object{skipUnmounted}, want: notMounted, reads: []string{"PodList"}},
		{
			name: "not that of a claim that a running Pod mounts", reads: []string{"PodList"},
			objects: []client.Object{skipUnmounted, runningPod(asItIs)},
		},
		{
			name: "not that of a claim whose Pod has its init containers running", reads: []string{"PodList"},
			objects: []client.Object{skipUnmounted, runningPod(func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending })},
		},
		{
			name: "that of a claim whose Pod waits for a node", reads: []string{"PodList"}, want: notMounted,
			objects: []client.Object{skipUnmounted, runningPod(func(p *corev1.Pod) { p.Spec.NodeName, p.Status.Phase = "", corev1.PodPending })},
		},
		{
			name: "that of a claim whose Job has succeeded", reads: []string{"PodList"}, want: notMounted,
			objects: []client.Object{skipUnmounted, runningPod(func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded })},
		},
		{
			name: "that of a claim whose Pod was evicted", reads: []string{"PodList"}, want: notMounted,
			objects: []client.Object{skipUnmounted, runningPod(func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed })},
		},
		{
			name: "that of a claim when a Pod of another namespace mounts one of its name", reads: []string{"PodList"}, want: notMounted,
			objects: []client.Object{skipUnmounted, runningPod(func(p *corev1.Pod) { p.Namespace = "bank" })},
		},
		{name: "by a label of the Backup", backup: labeled("true"), want: notMounted, reads: []string{"PodList"}},
		{name: "not if the label of the Backup says so", backup: labeled("false"), objects: []client.Object{skipUnmounted}},
		{
			name: "by the label of the Backup, with what the settings say of the objects", backup: labeled("true"),
			objects: []client.Object{skipping("dropObjects", "true")}, want: notMounted, dropped: true, reads: []string{"PodList"},
		},
		{
			name: "that of a claim with the labels, though it is mounted", want: byLabels, reads: []string{"PersistentVolumeClaimList"},
			objects: []client.Object{skipping(selector...), cache, runningPod(asItIs)},
		},
		{
			name: "not that of a claim with other labels", reads: []string{"PersistentVolumeClaimList"},
			objects: []client.Object{skipping(selector...), newClaim(map[string]string{"tier": "database"})},
		},
		{
			name: "with both, that of a claim that is not mounted and has other labels", want: notMounted,
			objects: []client.Object{skipping(append(selector, "skipUnmounted", "true")...), newClaim(nil)},
			reads:   []string{"PodList", "PersistentVolumeClaimList"},
		},
		{
			name: "with the objects", want: byLabels, dropped: true, reads: []string{"PersistentVolumeClaimList"},
			objects: []client.Object{skipping(append(selector, "dropObjects", "true")...), cache},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.objects...)
			action, backup := w.unmountedVolumes(), tt.backup
			if backup == nil {
				backup = newBackup()
			}
			stale := withAnnotation(asItem(t, newVolume()), leftOutAnnotation, "backup-0: "+notMounted)
			for _, item := range []*unstructured.Unstructured{theClaim(t), asItem(t, newVolume()), stale} {
				var want *unstructured.Unstructured
				switch isClaim := item.GetNamespace() != ""; {
				case tt.dropped:
					want = leftOut(item)
				case !isClaim && tt.want != "":
					want = because(item, tt.want)
				case item == stale:
					want = asItem(t, newVolume())
				}
				if diff := cmp.Diff(want, changedBy(t, action, item, backup)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", item.GetKind(), diff)
				}
			}
			w.wantLines(t)
			calls := map[string]int{"list ConfigMapList": 1}
			for _, read := range tt.reads {
				calls["list "+read] = 1
			}
			w.wantCalls(t, calls)
		})
	}
}

func TestThatOfAnEphemeralVolumeIsBackedUpWithItsPod(t *testing.T) {
	t.Parallel()
	w := newWorld(t, skipping("skipUnmounted", "true"), runningPod(func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{
			{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: "scratch", VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}},
		}
	}))
	action := w.unmountedVolumes()
	for claim, isLeftOut := range map[string]bool{"web-scratch": false, "web-tmp": true, "scratch": true} {
		pv := asItem(t, volumeWith(func(pv *corev1.PersistentVolume) { pv.Spec.ClaimRef.Name = claim }))
		if got := changedBy(t, action, pv, newBackup()); (got != nil) != isLeftOut {
			t.Errorf("the volume of the claim %s became %v", claim, got)
		}
	}
}

func TestAVolumeThatARestoreHoldsIsThatOfItsClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t, skipping("skipUnmounted", "true"), runningPod(asItIs))
	action := w.unmountedVolumes()
	for namespace, isLeftOut := range map[string]bool{"shop": false, "bank": true} {
		if got := changedBy(t, action, held(t, namespace), newBackup()); (got != nil) != isLeftOut {
			t.Errorf("the volume of the claim %s/data became %v", namespace, got)
		}
	}
}

func TestTheVolumeOfNoClaimIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, skipping("skipUnmounted", "true", "dropObjects", "true"))
	pv := volumeWith(func(pv *corev1.PersistentVolume) { pv.Spec.ClaimRef = nil })
	if got := changedBy(t, w.unmountedVolumes(), asItem(t, pv), newBackup()); got != nil {
		t.Errorf("it became %v", got)
	}
}

func TestWhatCannotBeReadLeavesNothingOut(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	both := skipping("skipUnmounted", "true", "selector", "matchLabels: {tier: cache}")
	tests := []struct {
		name    string
		objects []client.Object
		refused map[string]error
		backup  *velerov1.Backup
		// want is why the data is left out nevertheless.
		want  string
		lines []string
	}{
		{
			name: "settings with a mistake", objects: []client.Object{skipping("skipUnmounted", "true", "selectors", "x")}, backup: labeled("true"),
			lines: []string{`error: Cannot read which volumes are left out: the data of all is backed up: ConfigMap velero/settings, key "selectors": ` +
				"unknown: allowed are dropObjects, selector, skipUnmounted"},
		},
		{
			name: "settings while the API server is down", backup: labeled("true"), refused: map[string]error{"list ConfigMapList": down},
			lines: []string{"error: Cannot read which volumes are left out: the data of all is backed up: " +
				"listing the ConfigMaps with the label velero.io/plugin-config: listing the ConfigMaps: down"},
		},
		{
			name: "Pods", objects: []client.Object{both, newClaim(nil)}, refused: map[string]error{"list PodList": down},
			lines: []string{"warning: Cannot tell which claims Pods mount: the data of unmounted ones is backed up too: listing the Pods: down"},
		},
		{
			name: "Pods, but claims, whose labels tell", objects: []client.Object{both, newClaim(map[string]string{"tier": "cache"})},
			refused: map[string]error{"list PodList": down}, want: byLabels,
			lines: []string{"warning: Cannot tell which claims Pods mount: the data of unmounted ones is backed up too: listing the Pods: down"},
		},
		{
			name: "claims", objects: []client.Object{both, newClaim(map[string]string{"tier": "cache"}), runningPod(asItIs)},
			refused: map[string]error{"list PersistentVolumeClaimList": down},
			lines: []string{"warning: Cannot tell which claims the selector of the settings is for: their data is backed up too: " +
				"listing the PersistentVolumeClaims: down"},
		},
		{
			name: "a label of the Backup", backup: labeled("yes"),
			lines: []string{`error: The Backup has the label alibabacloud.com/skip-unmounted-volumes with the value "yes", which is ignored: allowed are true, false`},
		},
		{
			name: "a label of the Backup, but settings", backup: labeled(""), objects: []client.Object{skipping("skipUnmounted", "true")}, want: notMounted,
			lines: []string{`error: The Backup has the label alibabacloud.com/skip-unmounted-volumes with the value "", which is ignored: allowed are true, false`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.objects...)
			w.refused = tt.refused
			backup := tt.backup
			if backup == nil {
				backup = newBackup()
			}
			action, pv := w.unmountedVolumes(), asItem(t, newVolume())
			var want *unstructured.Unstructured
			if tt.want != "" {
				want = because(pv, tt.want)
			}
			for range 3 {
				if diff := cmp.Diff(want, changedBy(t, action, pv, backup)); diff != "" {
					t.Errorf("the PersistentVolume (-want +got):\n%s", diff)
				}
			}
			w.wantLines(t, tt.lines...)
			for call, times := range w.calls {
				if times != 1 {
					t.Errorf("%d times %s, want one", times, call)
				}
			}
		})
	}
}

func TestAProcessWithoutAClientLeavesNothingOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, skipping("skipUnmounted", "true"))
	with := w.dependencies()
	action := backupitemaction.NewUnmountedVolumes(w.log, with.Settings, clientless{errors.New("no client")})
	if got := changedBy(t, action, asItem(t, newVolume()), newBackup()); got != nil {
		t.Errorf("the PersistentVolume became %v", got)
	}
	w.wantLines(t, "warning: Cannot tell which claims Pods mount: the data of unmounted ones is backed up too: listing the Pods: no client")
}

// clientless is a cluster that no client can be made for.
type clientless struct{ err error }

func (c clientless) Namespace() string              { return veleroNamespace }
func (c clientless) Client() (client.Client, error) { return nil, c.err }

// paged makes the API server hand out Pods in pages, as a real one does, and fail after so
// many. It returns the sizes of those that were asked for.
func (w *world) paged(failAfter int) *[]int64 {
	sizes := &[]int64{}
	w.api = interceptor.NewClient(w.api, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			pods, ok := list.(*corev1.PodList)
			if !ok {
				return c.List(ctx, list, options...)
			}
			asked := &client.ListOptions{}
			asked.ApplyOptions(options)
			if *sizes = append(*sizes, asked.Limit); len(*sizes) > failAfter {
				return errors.New("down")
			}
			if err := c.List(ctx, list); err != nil {
				return err
			}
			start, _ := strconv.Atoi(asked.Continue)
			end := min(start+int(asked.Limit), len(pods.Items))
			if end < len(pods.Items) {
				pods.Continue = strconv.Itoa(end)
			}
			pods.Items = pods.Items[start:end]
			return nil
		},
	})
	return sizes
}

func TestPodsAreReadInPages(t *testing.T) {
	t.Parallel()
	const pods, pageSize = 600, 250
	for name, test := range map[string]struct {
		failAfter int
		sizes     []int64
		want      []string // of the volumes of Pods 0, 599 and 600, which is none
		lines     []string
	}{
		"all of them": {failAfter: 3, sizes: []int64{pageSize, pageSize, pageSize}, want: []string{"", "", "no running Pod mounts the claim shop/data-600"}},
		"not the last ones, so that none count": {
			failAfter: 2, sizes: []int64{pageSize, pageSize, pageSize}, want: []string{"", "", ""},
			lines: []string{"warning: Cannot tell which claims Pods mount: the data of unmounted ones is backed up too: listing the Pods: down"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := []client.Object{skipping("skipUnmounted", "true")}
			for i := range pods {
				objects = append(objects, runningPod(func(p *corev1.Pod) {
					p.Name = fmt.Sprintf("web-%d", i)
					p.Spec.Volumes[0].PersistentVolumeClaim.ClaimName = fmt.Sprintf("data-%d", i)
				}))
			}
			w := newWorld(t, objects...)
			sizes := w.paged(test.failAfter)
			action := w.unmountedVolumes()
			var got []string
			for _, i := range []int{0, pods - 1, pods} {
				pv := asItem(t, volumeWith(func(pv *corev1.PersistentVolume) { pv.Spec.ClaimRef.Name = fmt.Sprintf("data-%d", i) }))
				reason := ""
				if changed := changedBy(t, action, pv, newBackup()); changed != nil {
					reason = changed.GetAnnotations()[leftOutAnnotation]
				}
				got = append(got, reason)
			}
			want := test.want
			for i := range want {
				if want[i] != "" {
					want[i] = "backup-1: " + want[i]
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("why the data is left out (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.sizes, *sizes); diff != "" {
				t.Errorf("the pages (-want +got):\n%s", diff)
			}
			w.wantLines(t, test.lines...)
		})
	}
}

func TestWhatIsLeftOutIsLoggedAndReadOnce(t *testing.T) {
	t.Parallel()
	const workers = 8
	w := newWorld(t, skipping("skipUnmounted", "true", "selector", "matchLabels: {tier: cache}"))
	action := w.unmountedVolumes()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			if changedBy(t, action, asItem(t, newVolume()), newBackup()) == nil {
				t.Error("nothing is left out")
			}
		})
	}
	all.Wait()
	w.wantCalls(t, map[string]int{"list ConfigMapList": 1, "list PodList": 1, "list PersistentVolumeClaimList": 1})
	want := logrus.Fields{"resource": "persistentvolumes", "namespace": "", "name": pvName, "reason": notMounted}
	for _, entry := range w.logged.AllEntries() {
		if entry.Level != logrus.InfoLevel || entry.Message != "Leaving out the data of a volume" {
			t.Errorf("%s: %s", entry.Level, entry.Message)
		}
		if diff := cmp.Diff(want, entry.Data); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
	}
}

func TestUnmountedVolumesApplyTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got, err := w.unmountedVolumes().AppliesTo()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(velero.ResourceSelector{IncludedResources: []string{"persistentvolumes", "persistentvolumeclaims"}}, got); diff != "" {
		t.Errorf("AppliesTo() (-want +got):\n%s", diff)
	}
	w.wantCalls(t, map[string]int{})
}
