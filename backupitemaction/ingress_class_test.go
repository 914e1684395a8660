// SPDX-License-Identifier: Apache-2.0

package backupitemaction_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	biav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/backupitemaction/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/backupitemaction"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
)

var _ biav1.BackupItemAction = (*backupitemaction.IngressClass)(nil)

func (w *world) ingressClass() *backupitemaction.IngressClass {
	return backupitemaction.NewIngressClass(w.log, cluster.New(w.api, veleroNamespace))
}

// newClass returns an IngressClass whose parameters are an object of that kind and name,
// none if the kind is empty.
func newClass(name, group, kind, parameters string) *networkingv1.IngressClass {
	class := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if kind != "" {
		class.Spec.Parameters = &networkingv1.IngressClassParametersReference{APIGroup: &group, Kind: kind, Name: parameters}
	}
	return class
}

// newAlbConfig returns one as the API server has it.
func newAlbConfig(name string) *unstructured.Unstructured {
	config := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"config": map[string]any{"name": "alb-demo"}}}}
	config.SetGroupVersionKind(cluster.AlbConfig())
	config.SetName(name)
	return config
}

// newIngress returns an Ingress with a class in the field and one in the annotation, each
// if it is not empty.
func newIngress(apiVersion, field, annotation string) *unstructured.Unstructured {
	ingress := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiVersion, "kind": "Ingress", "metadata": map[string]any{"namespace": "shop", "name": "web"}, "spec": map[string]any{},
	}}
	if field != "" {
		ingress.Object["spec"] = map[string]any{"ingressClassName": field}
	}
	if annotation != "" {
		ingress.SetAnnotations(map[string]string{"kubernetes.io/ingress.class": annotation})
	}
	return ingress
}

func TestClassOfAnIngress(t *testing.T) {
	t.Parallel()
	const (
		v1, extensions = "networking.k8s.io/v1", "extensions/v1beta1"
		alb, albConfig = "ingressclasses.networking.k8s.io/alb", "albconfigs.alibabacloud.com/default"
		nginx          = "ingressclasses.networking.k8s.io/nginx"
	)
	no := false
	noted := func(annotation, note string) map[string]string {
		annotations := map[string]string{noteKey: note}
		if annotation != "" {
			annotations["kubernetes.io/ingress.class"] = annotation
		}
		return annotations
	}
	tests := []struct {
		name    string
		ingress *unstructured.Unstructured
		spec    velerov1.BackupSpec
		want    backedUpWith
		// wantInfo are the lines beside that of what is taken.
		wantInfo  []string
		wantCalls map[string]int
	}{
		{
			name: "comes along by the field, with its AlbConfig", ingress: newIngress(v1, "alb", ""),
			spec:      velerov1.BackupSpec{IncludedNamespaces: []string{"shop"}},
			want:      backedUpWith{noted("", alb+","+albConfig), []string{alb, albConfig}},
			wantCalls: map[string]int{"get IngressClass": 1, "get metadata of AlbConfig": 1},
		},
		{
			name: "comes along by the annotation of an old Ingress", ingress: newIngress(extensions, "", "alb"),
			want:      backedUpWith{noted("alb", alb+","+albConfig), []string{alb, albConfig}},
			wantCalls: map[string]int{"get IngressClass": 1, "get metadata of AlbConfig": 1},
		},
		{
			name: "is one where both say the same", ingress: newIngress(v1, "nginx", "nginx"),
			want:      backedUpWith{noted("nginx", nginx), []string{nginx}},
			wantCalls: map[string]int{"get IngressClass": 1},
		},
		{
			name: "is two where they do not", ingress: newIngress(v1, "nginx", "alb"),
			want:      backedUpWith{noted("alb", nginx+","+alb+","+albConfig), []string{nginx, alb, albConfig}},
			wantCalls: map[string]int{"get IngressClass": 2, "get metadata of AlbConfig": 1},
		},
		{
			name: "has no AlbConfig where its parameters are of another kind", ingress: newIngress(v1, "mse", ""),
			want:      backedUpWith{noted("", "ingressclasses.networking.k8s.io/mse"), []string{"ingressclasses.networking.k8s.io/mse"}},
			wantCalls: map[string]int{"get IngressClass": 1},
		},
		{
			name: "comes along without an AlbConfig that is not there", ingress: newIngress(v1, "half", ""),
			want:      backedUpWith{noted("", "ingressclasses.networking.k8s.io/half"), []string{"ingressclasses.networking.k8s.io/half"}},
			wantInfo:  []string{"albconfigs.alibabacloud.com/gone is not in the cluster, and not in the backup"},
			wantCalls: map[string]int{"get IngressClass": 1, "get metadata of AlbConfig": 1},
		},
		{
			name: "need not be there", ingress: newIngress(v1, "", "traefik"),
			want:      backedUpWith{Annotations: map[string]string{"kubernetes.io/ingress.class": "traefik"}},
			wantInfo:  []string{"ingressclasses.networking.k8s.io/traefik is not in the cluster, and not in the backup"},
			wantCalls: map[string]int{"get IngressClass": 1},
		},
		{
			name: "may be kept out of backups by a label", ingress: newIngress(v1, "private", ""),
			wantInfo:  []string{"The label velero.io/exclude-from-backup keeps ingressclasses.networking.k8s.io/private out of the backup"},
			wantCalls: map[string]int{"get IngressClass": 1},
		},
		{name: "is none where nobody names one", ingress: newIngress(v1, "", "")},
		{
			name: "is none where the annotation has no name of a class", ingress: newIngress(extensions, "", "a/b"),
			want: backedUpWith{Annotations: map[string]string{"kubernetes.io/ingress.class": "a/b"}},
		},
		{
			name: "must come along with Ingresses alone", ingress: newIngress(v1, "nginx", ""),
			spec:      velerov1.BackupSpec{IncludedResources: []string{"ingresses"}},
			want:      backedUpWith{map[string]string{noteKey: nginx, mustKey: "true"}, []string{nginx}},
			wantCalls: map[string]int{"get IngressClass": 1},
		},
		{
			name: "does not come along, nor is read, where nothing does that is in no namespace", ingress: newIngress(v1, "alb", ""),
			spec: velerov1.BackupSpec{IncludeClusterResources: &no},
		},
		{
			name: "does not come along where it is excluded", ingress: newIngress(v1, "alb", ""),
			spec: velerov1.BackupSpec{ExcludedClusterScopedResources: []string{"ingressclasses"}},
		},
		{
			name: "comes along without an AlbConfig that is excluded", ingress: newIngress(v1, "alb", ""),
			spec:      velerov1.BackupSpec{ExcludedResources: []string{"albconfigs.alibabacloud.com"}},
			want:      backedUpWith{noted("", alb), []string{alb}},
			wantCalls: map[string]int{"get IngressClass": 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			private := newClass("private", "", "", "")
			private.Labels = map[string]string{velerov1.ExcludeFromBackupLabel: "true"}
			w := newWorld(
				t, newAlbConfig("default"), private,
				newClass("alb", "alibabacloud.com", "AlbConfig", "default"), newClass("half", "alibabacloud.com", "AlbConfig", "gone"),
				newClass("mse", "mse.alibabacloud.com", "MseIngressConfig", "default"), newClass("nginx", "", "", ""),
			)
			backup := backupWith(func(backup *velerov1.Backup) { backup.Spec = tt.spec })
			wantBackedUpWith(t, tt.want, backUp(t, w.ingressClass(), tt.ingress, backup))
			w.wantLevel(t, logrus.WarnLevel)
			w.wantLevel(t, logrus.ErrorLevel)
			if len(tt.want.With) > 0 {
				const taken = "The class of the Ingress is backed up with it"
				tt.wantInfo = append(tt.wantInfo, taken, taken)
			}
			w.wantLevel(t, logrus.InfoLevel, tt.wantInfo...)
			if diff := cmp.Diff(tt.wantCalls, w.calls, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the calls to the API server (-want +got):\n%s", diff)
			}
		})
	}
}

// TestClassesAreReadOnceInABackup holds that neither the action nor Velero, which reads
// what an action returns, reads a class for each of its Ingresses. All of them have the note.
func TestClassesAreReadOnceInABackup(t *testing.T) {
	t.Parallel()
	const alb, albConfig = "ingressclasses.networking.k8s.io/alb", "albconfigs.alibabacloud.com/default"
	w := newWorld(t, newAlbConfig("default"), newClass("alb", "alibabacloud.com", "AlbConfig", "default"))
	action := w.ingressClass()
	ingressesAlone := backupWith(func(backup *velerov1.Backup) { backup.Spec.IncludedResources = []string{"ingresses"} })
	for i := range 20 {
		want := map[string]backedUpWith{"alb": {Annotations: map[string]string{noteKey: alb + "," + albConfig}}, "none": {}}
		if i == 0 {
			want["alb"] = backedUpWith{map[string]string{noteKey: alb + "," + albConfig, mustKey: "true"}, []string{alb, albConfig}}
		}
		for _, class := range []string{"alb", "none"} {
			ingress := newIngress("networking.k8s.io/v1", class, "")
			ingress.SetName(fmt.Sprint("web-", i))
			wantBackedUpWith(t, want[class], backUp(t, action, ingress, ingressesAlone))
		}
	}
	w.wantCalls(t, map[string]int{"get IngressClass": 2, "get metadata of AlbConfig": 1})
	w.wantLevel(t, logrus.WarnLevel)
	// Of the first Ingress alone, which is backed up twice.
	const taken = "The class of the Ingress is backed up with it"
	w.wantLevel(t, logrus.InfoLevel, taken, taken, "ingressclasses.networking.k8s.io/none is not in the cluster, and not in the backup")
}

// TestClassesThatCannotBeRead holds that an Ingress is worth more than its class: no error
// is returned, and one warning says it all.
func TestClassesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		refused  string
		wantWith []string
		wantWarn string
	}{
		{
			refused:  "get IngressClass",
			wantWarn: "Cannot read ingressclasses.networking.k8s.io/alb, so it may be missing from the backup: what needs it may not work where it is restored: no role",
		},
		{
			refused: "get metadata of AlbConfig", wantWith: []string{"ingressclasses.networking.k8s.io/alb"},
			wantWarn: "Cannot read albconfigs.alibabacloud.com/default, so it may be missing from the backup: what needs it may not work where it is restored: no role",
		},
	}
	for _, tt := range tests {
		t.Run(tt.refused, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, newAlbConfig("default"), newClass("alb", "alibabacloud.com", "AlbConfig", "default"))
			w.refused[tt.refused] = errors.New("no role")
			action := w.ingressClass()
			for range 3 {
				got := backUp(t, action, newIngress("networking.k8s.io/v1", "alb", ""), newBackup())
				if diff := cmp.Diff(tt.wantWith, got.With); diff != "" {
					t.Errorf("additional items (-want +got):\n%s", diff)
				}
			}
			w.wantLevel(t, logrus.WarnLevel, tt.wantWarn)
		})
	}
}

func TestIngressesOutsideOfAClusterAreBackedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	action := backupitemaction.NewIngressClass(w.log, cluster.Absent(cluster.ErrNone))
	wantBackedUpWith(t, backedUpWith{}, backUp(t, action, newIngress("networking.k8s.io/v1", "alb", ""), newBackup()))
	if got := w.lines(logrus.WarnLevel); len(got) != 1 {
		t.Errorf("warnings %q, want 1", got)
	}
}
