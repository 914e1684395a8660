// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
)

const namespace = "backups"

// newClient returns a client of an API server that has the objects.
func newClient(t *testing.T, objects ...client.Object) client.WithWatch {
	t.Helper()
	scheme, err := cluster.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
}

func inVelero(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// byAPIServer leaves out what the API server gives an object.
func byAPIServer() cmp.Option {
	return cmp.Options{cmpopts.IgnoreFields(metav1.ObjectMeta{}, "ResourceVersion"), cmpopts.IgnoreTypes(metav1.TypeMeta{})}
}

func TestReadOne(t *testing.T) {
	t.Parallel()
	elsewhere := metav1.ObjectMeta{Namespace: "elsewhere", Name: "other"}
	here := cluster.New(newClient(t,
		&velerov1.Backup{ObjectMeta: inVelero("b")}, &velerov1.Backup{ObjectMeta: elsewhere},
		&velerov1.Restore{ObjectMeta: inVelero("r")}, &velerov1.Restore{ObjectMeta: elsewhere},
		&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}},
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "c"}},
		&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "s"}},
	), namespace)
	tests := []struct {
		name    string
		read    func(ctx context.Context, name string) (client.Object, error)
		present string
		want    client.Object
		absent  string
		wantErr string
	}{
		{
			name:    "a Backup of Velero's namespace",
			read:    func(ctx context.Context, name string) (client.Object, error) { return here.Backup(ctx, name) },
			present: "b", want: &velerov1.Backup{ObjectMeta: inVelero("b")},
			absent: "other", wantErr: `reading the Backup backups/other: backups.velero.io "other" not found`,
		},
		{
			name:    "a Restore of Velero's namespace",
			read:    func(ctx context.Context, name string) (client.Object, error) { return here.Restore(ctx, name) },
			present: "r", want: &velerov1.Restore{ObjectMeta: inVelero("r")},
			absent: "other", wantErr: `reading the Restore backups/other: restores.velero.io "other" not found`,
		},
		{
			name:    "a PersistentVolume",
			read:    func(ctx context.Context, name string) (client.Object, error) { return here.Volume(ctx, name) },
			present: "pv", want: &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}},
			absent: "gone", wantErr: `reading the PersistentVolume gone: persistentvolumes "gone" not found`,
		},
		{
			name:    "a PersistentVolumeClaim of a namespace",
			read:    func(ctx context.Context, name string) (client.Object, error) { return here.Claim(ctx, "shop", name) },
			present: "c", want: &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "c"}},
			absent: "gone", wantErr: `reading the PersistentVolumeClaim shop/gone: persistentvolumeclaims "gone" not found`,
		},
		{
			name:    "a StorageClass",
			read:    func(ctx context.Context, name string) (client.Object, error) { return here.StorageClass(ctx, name) },
			present: "s", want: &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "s"}},
			absent: "gone", wantErr: `reading the StorageClass gone: storageclasses.storage.k8s.io "gone" not found`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.read(t.Context(), tt.present)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, byAPIServer()); diff != "" {
				t.Errorf("it differs (-want +got):\n%s", diff)
			}
			_, err = tt.read(t.Context(), tt.absent)
			if !apierrors.IsNotFound(err) || err.Error() != tt.wantErr {
				t.Errorf("error = %v, want %s, which IsNotFound", err, tt.wantErr)
			}
		})
	}
}

func TestReadAll(t *testing.T) {
	t.Parallel()
	claim := func(namespace, name, group string) corev1.PersistentVolumeClaim {
		return corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"group": group}}}
	}
	first, second, third := claim("shop", "1", "a"), claim("shop", "2", "b"), claim("store", "3", "a")
	labelled := &corev1.ConfigMap{ObjectMeta: inVelero("m")}
	labelled.Labels = map[string]string{"velero.io/plugin-config": ""}
	here := cluster.New(newClient(t, &first, &second, &third, labelled, &corev1.ConfigMap{ObjectMeta: inVelero("other")},
		&velerov1.Backup{ObjectMeta: inVelero("b")}, &velerov1.Backup{ObjectMeta: metav1.ObjectMeta{Namespace: "elsewhere", Name: "o"}},
		&velerov1.Restore{ObjectMeta: inVelero("r")}, &velerov1.Restore{ObjectMeta: metav1.ObjectMeta{Namespace: "elsewhere", Name: "o"}},
		&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}},
	), namespace)
	claims := func(namespace string, labels map[string]string) func(ctx context.Context) (any, error) {
		return func(ctx context.Context) (any, error) { return here.Claims(ctx, namespace, labels) }
	}
	tests := []struct {
		name string
		read func(context.Context) (any, error)
		want any
	}{
		{
			name: "the Backups of Velero's namespace",
			read: func(ctx context.Context) (any, error) { return here.Backups(ctx) },
			want: []velerov1.Backup{{ObjectMeta: inVelero("b")}},
		},
		{
			name: "the Restores of Velero's namespace",
			read: func(ctx context.Context) (any, error) { return here.Restores(ctx) },
			want: []velerov1.Restore{{ObjectMeta: inVelero("r")}},
		},
		{
			name: "the PersistentVolumes",
			read: func(ctx context.Context) (any, error) { return here.Volumes(ctx) },
			want: []corev1.PersistentVolume{{ObjectMeta: metav1.ObjectMeta{Name: "pv"}}},
		},
		{
			name: "the ConfigMaps of Velero's namespace that carry a label",
			read: func(ctx context.Context) (any, error) { return here.ConfigMaps(ctx, "velero.io/plugin-config") },
			want: []corev1.ConfigMap{*labelled},
		},
		{name: "the claims of a namespace", read: claims("shop", nil), want: []corev1.PersistentVolumeClaim{first, second}},
		{
			name: "the claims of a namespace that carry labels", read: claims("shop", map[string]string{"group": "a"}),
			want: []corev1.PersistentVolumeClaim{first},
		},
		{
			name: "the claims of all namespaces that carry labels", read: claims("", map[string]string{"group": "a"}),
			want: []corev1.PersistentVolumeClaim{first, third},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, byAPIServer()); diff != "" {
				t.Errorf("they differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestZones(t *testing.T) {
	t.Parallel()
	node := func(name string, labels map[string]string) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	}
	tests := []struct {
		name  string
		nodes []client.Object
		want  []string
	}{
		{name: "a cluster without nodes has none"},
		{name: "a node without labels is in none", nodes: []client.Object{node("a", nil)}},
		{
			name: "each label that names a zone counts, each zone once, in order",
			nodes: []client.Object{
				node("a", map[string]string{"topology.kubernetes.io/zone": "cn-beijing-k"}),
				node("b", map[string]string{"topology.diskplugin.csi.alibabacloud.com/zone": "cn-beijing-h"}),
				node("c", map[string]string{"failure-domain.beta.kubernetes.io/zone": "cn-beijing-i", "topology.kubernetes.io/zone": "cn-beijing-i"}),
				node("d", map[string]string{"topology.kubernetes.io/zone": "cn-beijing-k", "topology.kubernetes.io/region": "cn-beijing"}),
				node("e", map[string]string{"topology.kubernetes.io/zone": ""}),
			},
			want: []string{"cn-beijing-h", "cn-beijing-i", "cn-beijing-k"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := cluster.New(newClient(t, tt.nodes...), namespace).Zones(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Zones() differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIDIsAskedForOnce(t *testing.T) {
	t.Parallel()
	system := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system", UID: "0b2a"}}
	refused := errors.New("not now")
	asked := 0
	here := cluster.New(interceptor.NewClient(newClient(t, system), interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if asked++; asked == 1 {
				return refused
			}
			return c.Get(ctx, key, object, options...)
		},
	}), namespace)
	if _, err := here.ID(t.Context()); !errors.Is(err, refused) {
		t.Errorf("ID() error = %v, want %v", err, refused)
	}
	for range 2 {
		if id, err := here.ID(t.Context()); id != "0b2a" || err != nil {
			t.Errorf("ID() = %s, %v, want 0b2a", id, err)
		}
	}
	if asked != 2 {
		t.Errorf("the API server was asked %d times, want 2", asked)
	}
}

func TestACKID(t *testing.T) {
	t.Parallel()
	profile := func(data map[string]string) client.Object {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "ack-cluster-profile"}, Data: data}
	}
	refused := errors.New("not now")
	refusing := interceptor.NewClient(newClient(t), interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return refused
		},
	})
	tests := []struct {
		name    string
		api     client.Client
		want    string
		wantErr error
	}{
		{"a cluster of ACK", newClient(t, profile(map[string]string{"clusterid": "c82e6987", "vpcid": "vpc-1"})), "c82e6987", nil},
		{"a cluster of others", newClient(t), "", nil},
		{"a profile without an id", newClient(t, profile(nil)), "", nil},
		{"a profile that cannot be read", refusing, "", refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := cluster.New(tt.api, namespace).ACKID(t.Context())
			if got != tt.want || !errors.Is(err, tt.wantErr) {
				t.Errorf("id %q, error %v, want %q, %v", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestRefusedListsSayWhatWasListed(t *testing.T) {
	t.Parallel()
	here := cluster.New(interceptor.NewClient(newClient(t), interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "", errors.New("no role"))
		},
	}), namespace)
	_, err := here.Zones(t.Context())
	if want := `listing the Nodes: nodes is forbidden: no role`; !apierrors.IsForbidden(err) || err.Error() != want {
		t.Errorf("Zones() error = %v, want %s, which IsForbidden", err, want)
	}
}

// TestClientAsksForNothingButObjects shows that the client knows where its kinds
// are served: serve refuses every other path, discovery too.
func TestClientAsksForNothingButObjects(t *testing.T) {
	t.Parallel()
	objects := map[string]client.Object{
		"/api/v1/namespaces/kube-system":                                        &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kube-system"}},
		"/api/v1/nodes/n":                                                       &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}},
		"/api/v1/persistentvolumes/pv":                                          &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv"}},
		"/api/v1/namespaces/shop/persistentvolumeclaims/c":                      &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "c"}},
		"/api/v1/namespaces/backups/configmaps/m":                               &corev1.ConfigMap{ObjectMeta: inVelero("m")},
		"/apis/storage.k8s.io/v1/storageclasses/s":                              &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "s"}},
		"/apis/velero.io/v1/namespaces/backups/backups/b":                       &velerov1.Backup{ObjectMeta: inVelero("b")},
		"/apis/velero.io/v1/namespaces/backups/restores/r":                      &velerov1.Restore{ObjectMeta: inVelero("r")},
		"/apis/velero.io/v1/namespaces/backups/volumesnapshotlocations/v":       &velerov1.VolumeSnapshotLocation{ObjectMeta: inVelero("v")},
		"/apis/networking.k8s.io/v1/ingressclasses/alb":                         &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "alb"}},
		"/apis/networking.k8s.io/v1/namespaces/shop/ingresses/web":              &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}},
		"/apis/storage.k8s.io/v1/namespaces/kube-system/csistoragecapacities/x": &storagev1.CSIStorageCapacity{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "x"}},
	}
	answers := map[string]answer{}
	scheme, err := cluster.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	for path, object := range objects {
		kinds, _, err := scheme.ObjectKinds(object)
		if err != nil {
			t.Fatal(err)
		}
		object.GetObjectKind().SetGroupVersionKind(kinds[0])
		answers[path] = answer{code: 200, body: object}
	}
	here, err := cluster.Find(getenv(map[string]string{"KUBECONFIG": kubeconfig(t, serve(t, answers)), "VELERO_NAMESPACE": namespace}))
	if err != nil {
		t.Fatal(err)
	}
	api, err := here.Client()
	if err != nil {
		t.Fatal(err)
	}
	if here.Namespace() != namespace {
		t.Errorf("Namespace() = %s, want %s", here.Namespace(), namespace)
	}
	for path, want := range objects {
		got, ok := want.DeepCopyObject().(client.Object)
		if !ok {
			t.Fatalf("%T is no object", want)
		}
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(want), got); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestClientReadsMetadata shows the same of objects of which the metadata alone is read.
func TestClientReadsMetadata(t *testing.T) {
	t.Parallel()
	objects := map[string]*metav1.PartialObjectMetadata{
		"/api/v1/namespaces/shop/secrets/oss": {
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "oss", Labels: map[string]string{"a": "b"}},
		},
		"/apis/alibabacloud.com/v1/albconfigs/default": {
			TypeMeta:   metav1.TypeMeta{APIVersion: cluster.AlbConfig().GroupVersion().String(), Kind: cluster.AlbConfig().Kind},
			ObjectMeta: metav1.ObjectMeta{Name: "default", Labels: map[string]string{"a": "b"}},
		},
	}
	answers := map[string]answer{}
	for path, object := range objects {
		answers[path] = answer{code: 200, body: object}
	}
	here, err := cluster.Find(getenv(map[string]string{"KUBECONFIG": kubeconfig(t, serve(t, answers)), "VELERO_NAMESPACE": namespace}))
	if err != nil {
		t.Fatal(err)
	}
	api, err := here.Client()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range objects {
		got := &metav1.PartialObjectMetadata{TypeMeta: want.TypeMeta}
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(want), got); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}
