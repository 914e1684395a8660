// SPDX-License-Identifier: Apache-2.0

package backupitemaction_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	biav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/backupitemaction/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// systemActions returns the action for what is in system namespaces, and that for what is
// not, as they are in a new process.
func (w *world) systemActions() (namespaced, clusterScoped *backupitemaction.SystemNamespaces) {
	with := w.dependencies()
	return backupitemaction.NewSystemNamespaces(w.log, with.Settings, with.Clients, with.Decisions, with.References),
		backupitemaction.NewSystemNamespacesClusterScoped(w.log, with.Settings, with.Clients, with.Decisions, with.References)
}

func inNamespace(t *testing.T, kind, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	return fromYAML(t, fmt.Sprintf("{apiVersion: v1, kind: %s, metadata: {namespace: %s, name: %s}}", kind, namespace, name))
}

func theNamespace(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	return fromYAML(t, "{apiVersion: v1, kind: Namespace, metadata: {name: "+name+"}}")
}

func volumeOfClaim(t *testing.T, namespace string) *unstructured.Unstructured {
	t.Helper()
	return fromYAML(t, "{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv-1}, spec: {claimRef: {namespace: "+namespace+", name: data}}}")
}

// held is volumeOfClaim while volume-ready holds it back.
func held(t *testing.T, namespace string) *unstructured.Unstructured {
	t.Helper()
	return withAnnotation(volumeOfClaim(t, veleroNamespace), "alibabacloud.com/volume-ready", `{"volume":"d-1","claim":{"namespace":"`+namespace+`","name":"data"}}`)
}

// wantLeftOut checks whether an action leaves an item out, and else does nothing with it.
func wantLeftOut(t *testing.T, action biav1.BackupItemAction, item *unstructured.Unstructured, backup *velerov1.Backup, isLeftOut bool) {
	t.Helper()
	var want *unstructured.Unstructured
	if isLeftOut {
		want = leftOut(item)
	}
	if diff := cmp.Diff(want, changedBy(t, action, item, backup)); diff != "" {
		t.Errorf("%s %s/%s (-want +got):\n%s", item.GetKind(), item.GetNamespace(), item.GetName(), diff)
	}
}

func TestWhichBackupsLeaveSystemNamespacesOut(t *testing.T) {
	t.Parallel()
	all := []string{"csdr", "ack-csi-fuse", "kube-system", "kube-public", "kube-node-lease", "velero"}
	tests := []struct {
		name     string
		included []string
		// out are the namespaces that are left out, of all.
		out []string
	}{
		{name: "one that names no namespaces", out: all},
		{name: "one of all namespaces", included: []string{"*"}, out: all},
		{name: "one of other namespaces", included: []string{"shop", "bank-*"}},
		{name: "one that names a system namespace", included: []string{"kube-system"}},
		{name: "one with a pattern for all, by which the user names them", included: []string{"?*"}},
		{
			name: "one of all namespaces that names one besides", included: []string{"*", "kube-system"},
			out: []string{"csdr", "ack-csi-fuse", "kube-public", "kube-node-lease", "velero"},
		},
		{
			name: "one of all namespaces that names some by a pattern", included: []string{"kube-*", "*", "cs[a-d]?"},
			out: []string{"ack-csi-fuse", "velero"},
		},
		{name: "one of all namespaces with a pattern that is malformed", included: []string{"*", "[kube"}, out: all},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			namespaced, clusterScoped := w.systemActions()
			backup := backupWith(func(b *velerov1.Backup) { b.Spec.IncludedNamespaces = tt.included })
			isOut := map[string]bool{"shop": false}
			for _, namespace := range all {
				isOut[namespace] = false
			}
			for _, namespace := range tt.out {
				isOut[namespace] = true
			}
			for namespace, out := range isOut {
				wantLeftOut(t, namespaced, inNamespace(t, "PersistentVolumeClaim", namespace, "data"), backup, out)
				wantLeftOut(t, clusterScoped, theNamespace(t, namespace), backup, out)
				wantLeftOut(t, clusterScoped, volumeOfClaim(t, namespace), backup, out)
			}
			w.wantLines(t)
			reads := map[string]int{}
			if len(tt.out) > 0 {
				reads["list ConfigMapList"] = 1
			}
			w.wantCalls(t, reads)
		})
	}
}

func TestWhatOfASystemNamespaceIsKept(t *testing.T) {
	t.Parallel()
	ofTheCluster := bucket("kube-system/token", "")
	ofTheCluster.Name, ofTheCluster.Spec.ClaimRef.Namespace = "pv-2", "kube-system"
	w := newWorld(t, bucket("kube-system/application", ""), ofTheCluster)
	namespaced, clusterScoped := w.systemActions()
	for _, test := range []struct {
		name   string
		action biav1.BackupItemAction
		item   *unstructured.Unstructured
		out    bool
	}{
		{"the Secret of an application's volume", namespaced, inNamespace(t, "Secret", "kube-system", "application"), false},
		{"another Secret", namespaced, inNamespace(t, "Secret", "kube-system", "token"), true},
		{"a ConfigMap of the same name", namespaced, inNamespace(t, "ConfigMap", "kube-system", "application"), true},
		{
			"another kind of Secret", namespaced,
			fromYAML(t, "{apiVersion: bank.example/v1, kind: Secret, metadata: {namespace: kube-system, name: application}}"), true,
		},
		{"a PersistentVolume that a restore holds back from its claim in Velero's namespace", clusterScoped, held(t, "shop"), false},
		{"such a one of a claim in a system namespace", clusterScoped, held(t, "kube-system"), true},
		{"a PersistentVolume of no claim", clusterScoped, fromYAML(t, "{apiVersion: v1, kind: PersistentVolume, metadata: {name: kube-system}}"), false},
		{"a PersistentVolume of an unreadable claim", clusterScoped, fromYAML(t, "{apiVersion: v1, kind: PersistentVolume, spec: {claimRef: kube-system}}"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wantLeftOut(t, test.action, test.item, newBackup(), test.out)
		})
	}
}

func TestSettingsOfSystemNamespaces(t *testing.T) {
	t.Parallel()
	const unread = "error: Cannot read whether system namespaces are left out: they are backed up: "
	enabled := func(value string) *corev1.ConfigMap {
		return settingsFor(backupitemaction.SystemNamespacesName, map[string]string{"enabled": value})
	}
	ofAnother := enabled("false")
	ofAnother.Annotations = map[string]string{"alibabacloud.com/backup": "backup-2"}
	tests := []struct {
		name    string
		objects []client.Object
		refused error
		// kept says that system namespaces are backed up.
		kept bool
		want []string
	}{
		{name: "a ConfigMap that turns it off", objects: []client.Object{enabled("false")}, kept: true},
		{name: "one that says nothing", objects: []client.Object{settingsFor(backupitemaction.SystemNamespacesName, nil)}},
		{name: "one that is for another backup", objects: []client.Object{ofAnother}},
		{
			name: "one with a mistake", objects: []client.Object{enabled("no")}, kept: true,
			want: []string{unread + `ConfigMap velero/settings, key "enabled", line 1: "no": allowed is true or false`},
		},
		{
			name: "none that can be read", refused: errors.New("down"), kept: true,
			want: []string{unread + "listing the ConfigMaps with the label velero.io/plugin-config: listing the ConfigMaps: down"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tt.objects...)
			w.refused["list ConfigMapList"] = tt.refused
			namespaced, clusterScoped := w.systemActions()
			for range 3 {
				wantLeftOut(t, namespaced, inNamespace(t, "Pod", "kube-system", "dns"), newBackup(), !tt.kept)
				wantLeftOut(t, clusterScoped, theNamespace(t, "kube-system"), newBackup(), !tt.kept)
			}
			w.wantLines(t, tt.want...)
			w.wantCalls(t, map[string]int{"list ConfigMapList": 1})
		})
	}
}

func TestSystemNamespacesAreDecidedOnceForEachBackup(t *testing.T) {
	t.Parallel()
	const workers = 8
	w := newWorld(t)
	namespaced, clusterScoped := w.systemActions()
	items := []*unstructured.Unstructured{inNamespace(t, "Pod", "csdr", "a"), theNamespace(t, "csdr")}
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for _, backup := range []*velerov1.Backup{newBackup(), backupWith(func(b *velerov1.Backup) { b.Name, b.UID = "backup-2", "uid-of-backup-2" })} {
				wantLeftOut(t, namespaced, items[0], backup, true)
				wantLeftOut(t, clusterScoped, items[1], backup, true)
			}
		})
	}
	all.Wait()
	w.wantCalls(t, map[string]int{"list ConfigMapList": 2})
}

func TestSystemNamespacesApplyTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	namespaced, clusterScoped := w.systemActions()
	got := map[string]velero.ResourceSelector{}
	for name, action := range map[string]biav1.BackupItemAction{"namespaced": namespaced, "cluster-scoped": clusterScoped} {
		selector, err := action.AppliesTo()
		if err != nil {
			t.Fatal(err)
		}
		got[name] = selector
	}
	want := map[string]velero.ResourceSelector{
		"namespaced":     {IncludedNamespaces: []string{"csdr", "ack-csi-fuse", "kube-system", "kube-public", "kube-node-lease", "velero"}},
		"cluster-scoped": {IncludedResources: []string{"namespaces", "persistentvolumes"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("AppliesTo() (-want +got):\n%s", diff)
	}
	w.wantCalls(t, map[string]int{})
}

func TestWhatIsInNoNamespaceIsKeptWhereThatOfVeleroIsNotKnown(t *testing.T) {
	t.Parallel()
	nowhere := cluster.Absent(errors.New("no cluster"))
	action := backupitemaction.NewSystemNamespacesClusterScoped(
		newWorld(t).log, settings.NewReader(nowhere), nowhere, &backupitemaction.SystemDecisions{}, backupitemaction.NewSecretReferences(nowhere))
	wantLeftOut(t, action, fromYAML(t, "{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv-1}}"), newBackup(), false)
}

func TestSecretsInSystemNamespacesAreKeptWhereNobodyKnowsWhoNeedsThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refused["list PersistentVolumeList"] = errors.New("no role")
	action, _ := w.systemActions()
	for _, name := range []string{"a", "b"} {
		wantLeftOut(t, action, inNamespace(t, "Secret", "kube-system", name), newBackup(), false)
	}
	wantLeftOut(t, action, inNamespace(t, "ConfigMap", "kube-system", "a"), newBackup(), true)
	w.wantLines(t, "warning: Cannot tell which Secrets in system namespaces volumes of applications need: all are backed up: "+
		"listing the PersistentVolumes: no role")
}
