// SPDX-License-Identifier: Apache-2.0

package backupitemaction_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	biav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/backupitemaction/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// changedBy returns what an action of version 1 makes of an item, nil where it returns the
// very item that came. It checks that the action returns nothing else and leaves its input
// as it is.
func changedBy(tb testing.TB, action biav1.BackupItemAction, item *unstructured.Unstructured, backup *velerov1.Backup) *unstructured.Unstructured {
	tb.Helper()
	itemBefore, backupBefore := item.DeepCopy(), backup.DeepCopy()
	got, additional, err := action.Execute(item, backup)
	if err != nil || len(additional) > 0 {
		tb.Errorf("Execute() has the items %v and the error %v: want neither", additional, err)
	}
	if diff := cmp.Diff(itemBefore, item); diff != "" {
		tb.Errorf("the item was changed (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(backupBefore, backup); diff != "" {
		tb.Errorf("the Backup was changed (-before +after):\n%s", diff)
	}
	changed, ok := got.(*unstructured.Unstructured)
	if !ok {
		tb.Fatalf("Execute() returns %v", got)
	}
	if changed == item {
		return nil
	}
	return changed
}

// leftOut is an item as one that Velero leaves out.
func leftOut(item *unstructured.Unstructured) *unstructured.Unstructured {
	return withAnnotation(item, "velero.io/skip-from-backup", "true")
}

func withAnnotation(item *unstructured.Unstructured, key, value string) *unstructured.Unstructured {
	want := item.DeepCopy()
	annotations := want.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	want.SetAnnotations(annotations)
	return want
}

// fromYAML reads an object as Velero hands it to an action.
func fromYAML(tb testing.TB, text string) *unstructured.Unstructured {
	tb.Helper()
	content, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	item := &unstructured.Unstructured{}
	if err := json.Unmarshal(content, &item.Object); err != nil {
		tb.Fatal(err)
	}
	return item
}

// settingsFor returns the ConfigMap with the settings of an action.
func settingsFor(action string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: veleroNamespace, Name: "settings",
			Labels: map[string]string{settings.LabelPluginConfig: "", action: "BackupItemAction"},
		},
		Data: data,
	}
}

// dependencies are what the actions of version 1 are made with in a new process.
func (w *world) dependencies() backupitemaction.Dependencies {
	here := cluster.New(w.api, veleroNamespace)
	return backupitemaction.Dependencies{
		Settings: settings.NewReader(here), Clients: here,
		References: backupitemaction.NewSecretReferences(here), Decisions: &backupitemaction.SystemDecisions{},
	}
}

// wantLines compares what was logged at the levels from warning up, each line with its
// level.
func (w *world) wantLines(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, level := range []logrus.Level{logrus.ErrorLevel, logrus.WarnLevel} {
		for _, line := range w.lines(level) {
			got = append(got, level.String()+": "+line)
		}
	}
	if !slices.Equal(want, got) {
		t.Errorf("the log (-want +got):\n%s", cmp.Diff(want, got))
	}
}

// FuzzActions holds that each action takes any object, leaves it as it is, and has nothing
// to do with what it returns.
func FuzzActions(f *testing.F) {
	for _, text := range []string{
		`{"kind":"PersistentVolume","apiVersion":"v1","metadata":{"name":"pv-1"},"spec":{"claimRef":{"namespace":"shop","name":"data"}}}`,
		`{"kind":"PersistentVolume","apiVersion":"v1","spec":{"claimRef":{"namespace":"kube-system","name":1}}}`,
		`{"metadata":{"annotations":{"alibabacloud.com/data-left-out":"x"}},"spec":{"claimRef":"none"}}`,
		`{"spec":{"csi":{"driver":"diskplugin.csi.alibabacloud.com","volumeHandle":"d-1"},"nodeAffinity":{"required":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"topology.diskplugin.csi.alibabacloud.com/zone","operator":"In","values":["a"]}]}]}}}}`,
		`{"kind":"PersistentVolumeClaim","apiVersion":"v1","metadata":{"namespace":"shop","name":"data","annotations":[]}}`,
		`{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system"}}`,
		`{"kind":"Secret","apiVersion":"v1","metadata":{"namespace":"kube-system","name":"a"}}`,
		`{"metadata":7}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		object := map[string]any{}
		if json.Unmarshal([]byte(text), &object) != nil || object == nil {
			return
		}
		w := newWorld(t, settingsFor(backupitemaction.UnmountedVolumesName, map[string]string{"skipUnmounted": "true"}))
		for name, construct := range backupitemaction.Constructors() {
			action := construct(w.log, w.dependencies())
			changed := changedBy(t, action, &unstructured.Unstructured{Object: object}, newBackup())
			if changed == nil {
				continue
			}
			again := changedBy(t, action, changed, newBackup())
			if again != nil && !cmp.Equal(changed.Object, again.Object) {
				t.Errorf("%s changes it twice:\n%s", name, cmp.Diff(changed, again))
			}
		}
	})
}
