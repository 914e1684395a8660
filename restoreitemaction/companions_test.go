// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	riav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/restoreitemaction/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

// lookedAt are the objects whose metadata was read, such as Secret shop/oss, with how often.
type lookedAt map[string]int

// clusterLookedAt is a cluster with objects that counts how often their metadata is read,
// and fails to read those of refused.
func clusterLookedAt(t *testing.T, refused error, objects ...client.Object) (*cluster.Cluster, lookedAt) {
	t.Helper()
	looked := lookedAt{}
	return clusterOf(interceptor.NewClient(newAPI(t, objects...), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			metadata, ok := object.(*metav1.PartialObjectMetadata)
			if !ok {
				t.Errorf("more than the metadata of %s was read", key)
				return nil
			}
			looked[metadata.Kind+" "+key.String()]++
			if refused != nil {
				return refused
			}
			return c.Get(ctx, key, object, options...)
		},
	})), looked
}

func albConfig(name string) client.Object {
	config := &unstructured.Unstructured{}
	config.SetGroupVersionKind(cluster.AlbConfig())
	config.SetName(name)
	return config
}

// TestCompanionsOfARestoreThatUpdates holds that what is there is not overwritten by what
// comes along with an object.
func TestCompanionsOfARestoreThatUpdates(t *testing.T) {
	t.Parallel()
	const (
		bucket = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv, annotations: {alibabacloud.com/backed-up-with: "secrets/infra/oss,secrets/shop/oss"}}
spec: {csi: {driver: ossplugin.csi.alibabacloud.com, nodePublishSecretRef: {namespace: shop, name: oss}, nodeStageSecretRef: {namespace: infra, name: oss}}}
`
		ingress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {namespace: shop, name: web, annotations: {alibabacloud.com/backed-up-with: "ingressclasses.networking.k8s.io/alb,albconfigs.alibabacloud.com/default"}}
`
		infra, shop   = "secrets/infra/oss", "secrets/shop/oss"
		class, config = "ingressclasses.networking.k8s.io/alb", "albconfigs.alibabacloud.com/default"
	)
	secret := func(namespace string) client.Object {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "oss"}}
	}
	isThere := func(companion string) line {
		return line{logrus.InfoLevel, companion + " is there already, and is not updated with what needs it", nil}
	}
	isUnknown := func(companion string) line {
		return line{logrus.WarnLevel, "Cannot tell whether " + companion + " is there, which a restore that updates would overwrite: " +
			"it is not restored with what needs it; create it if it is missing", nil}
	}
	ofVolume := line{logrus.InfoLevel, "The Secrets of a volume are restored with it", nil}
	moved := line{logrus.InfoLevel, "A PersistentVolume looks for its Secrets in the namespaces that they are restored to", nil}
	ofIngress := line{logrus.InfoLevel, "The class of an Ingress is restored with it", nil}
	tests := []struct {
		name    string
		object  string
		spec    velerov1.RestoreSpec
		there   []client.Object
		refused error
		// want are what comes along; must says that Velero is told to take it.
		want   []string
		must   bool
		logged []line
		looked lookedAt
	}{
		{
			name: "Secrets that are missing come along", object: bucket,
			spec: velerov1.RestoreSpec{ExistingResourcePolicy: "update", IncludedNamespaces: []string{"shop"}},
			want: []string{infra, shop}, must: true, logged: []line{ofVolume, ofVolume},
			looked: lookedAt{"Secret infra/oss": 1, "Secret shop/oss": 1},
		},
		{
			name: "a Secret that is there stays, and nothing must be taken for it", object: bucket,
			spec:  velerov1.RestoreSpec{ExistingResourcePolicy: "update", IncludedNamespaces: []string{"shop"}},
			there: []client.Object{secret("infra")}, want: []string{shop}, logged: []line{isThere(infra), ofVolume, ofVolume},
			looked: lookedAt{"Secret infra/oss": 1, "Secret shop/oss": 1},
		},
		{
			name: "one that the lists have is left to them", object: bucket, spec: velerov1.RestoreSpec{ExistingResourcePolicy: "update"},
			there: []client.Object{secret("infra"), secret("shop")}, logged: []line{isThere(infra), isThere(shop)},
			looked: lookedAt{"Secret infra/oss": 1, "Secret shop/oss": 1},
		},
		{
			name: "it is looked for where it would be restored to", object: bucket,
			spec: velerov1.RestoreSpec{
				ExistingResourcePolicy: "update", NamespaceMapping: map[string]string{"infra": "infra-test", "infra-test": "elsewhere"},
			},
			there: []client.Object{secret("infra"), secret("shop")}, want: []string{infra}, logged: []line{isThere(shop), ofVolume, moved, ofVolume},
			looked: lookedAt{"Secret infra-test/oss": 1, "Secret shop/oss": 1},
		},
		{
			name: "one that cannot be looked at stays, with one warning", object: bucket,
			spec: velerov1.RestoreSpec{ExistingResourcePolicy: "update"}, refused: errors.New("no role"),
			logged: []line{isUnknown(infra), isUnknown(shop)}, looked: lookedAt{"Secret infra/oss": 2, "Secret shop/oss": 2},
		},
		{
			name: "what is excluded is not looked at", object: bucket,
			spec: velerov1.RestoreSpec{ExistingResourcePolicy: "update", ExcludedResources: []string{"secrets"}},
		},
		{
			name: "nothing is looked at where what is there is not updated", object: bucket,
			spec:  velerov1.RestoreSpec{ExistingResourcePolicy: "none"},
			there: []client.Object{secret("infra")}, want: []string{infra, shop}, logged: []line{ofVolume, ofVolume},
		},
		{
			name: "a class and an AlbConfig that are there stay", object: ingress,
			spec:   velerov1.RestoreSpec{ExistingResourcePolicy: "update", IncludedNamespaces: []string{"shop"}},
			there:  []client.Object{&networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "alb"}}, albConfig("default")},
			logged: []line{isThere(class), isThere(config)}, looked: lookedAt{"IngressClass /alb": 1, "AlbConfig /default": 1},
		},
		{
			name: "those that are missing come along", object: ingress,
			spec: velerov1.RestoreSpec{ExistingResourcePolicy: "update", IncludedResources: []string{"ingresses"}},
			want: []string{class, config}, must: true, logged: []line{ofIngress, ofIngress},
			looked: lookedAt{"IngressClass /alb": 1, "AlbConfig /default": 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log, hook := logrustest.NewNullLogger()
			here, looked := clusterLookedAt(t, tt.refused, tt.there...)
			var action riav1.RestoreItemAction = restoreitemaction.NewVolumeSecrets(log, here)
			if tt.object == ingress {
				action = restoreitemaction.NewIngressClass(log, &served{kinds: map[string][]string{"alibabacloud.com/v1": {"AlbConfig"}}}, here)
			}
			got, with := restoreWith(t, action, restoreOf(tt.spec), readObject(t, tt.object))
			if diff := cmp.Diff(tt.want, with, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("additional items (-want +got):\n%s", diff)
			}
			if must := got.GetAnnotations()[velerov1.MustIncludeAdditionalItemRestoreAnnotation] == "true"; must != tt.must {
				t.Errorf("Velero is told to take what its lists leave out: %v, want %v", must, tt.must)
			}
			if diff := cmp.Diff(tt.logged, linesOf(hook), cmpopts.IgnoreFields(line{}, "Fields"), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("logged (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.looked, looked, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("looked at (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAVolumeFindsASecretThatIsThere holds that a volume looks for its Secret where its
// namespace is mapped to, whether the Secret is restored or there.
func TestAVolumeFindsASecretThatIsThere(t *testing.T) {
	t.Parallel()
	for name, refused := range map[string]error{"it is there": nil, "it cannot be looked at": errors.New("no role")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log, hook := logrustest.NewNullLogger()
			here, _ := clusterLookedAt(t, refused, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "bank", Name: "oss"}})
			restore := restoreOf(velerov1.RestoreSpec{
				ExistingResourcePolicy: "update", IncludedNamespaces: []string{"office"}, NamespaceMapping: map[string]string{"shop": "bank"},
			})
			backedUp := `{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv, annotations: {alibabacloud.com/backed-up-with: secrets/shop/oss}}, ` +
				`spec: {csi: {driver: ossplugin.csi.alibabacloud.com, nodePublishSecretRef: {namespace: shop, name: oss}}}}`
			got, with := restoreWith(t, restoreitemaction.NewVolumeSecrets(log, here), restore, readObject(t, backedUp))
			wantObject(t, `{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv}, `+
				`spec: {csi: {driver: ossplugin.csi.alibabacloud.com, nodePublishSecretRef: {namespace: bank, name: oss}}}}`, got)
			if len(with) > 0 {
				t.Errorf("additional items %v, want none", with)
			}
			if warnings := warningsOf(hook); (len(warnings) == 1) != (refused != nil) {
				t.Errorf("warnings %v", warnings)
			}
		})
	}
}
