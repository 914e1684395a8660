// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
)

// flexBucket is a bucket with an AccessKey in the clear, flexBucketConverted what
// becomes of it in any case, and flexBucketSecret the Secret that it needs.
const (
	flexBucket = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-oss}
spec:
  claimRef: {namespace: shop, name: docs}
  flexVolume: {driver: alicloud/oss, options: {bucket: docs, url: u, akId: ak-id, akSecret: ak-secret}}
`
	flexBucketConverted = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-oss}
spec:
  claimRef: {namespace: shop, name: docs}
  csi:
    driver: ossplugin.csi.alibabacloud.com
    volumeHandle: pv-oss
    nodePublishSecretRef: {namespace: market, name: pv-oss-access-key}
    volumeAttributes: {bucket: docs, url: u, otherOpts: "-o allow_other"}
`
	flexBucketSecret = `
metadata: {namespace: market, name: pv-oss-access-key, creationTimestamp: null, labels: ` + labelsOfRestore + `}
type: Opaque
data: {akId: YWstaWQ=, akSecret: YWstc2VjcmV0}
`
)

// wantBucketConverted restores the bucket.
func (f *flexVolumes) wantBucketConverted(t *testing.T) {
	t.Helper()
	output, err := f.execute(readObject(t, flexBucket), readObject(t, flexBucket))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(readObject(t, flexBucketConverted).Object, asUnstructured(t, output.UpdatedItem).Object); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
}

// wantCreated compares what is in the cluster, and what was logged since the last time.
func (f *flexVolumes) wantCreated(t *testing.T, objects, logged []string) {
	t.Helper()
	if diff := cmp.Diff(canonical(t, objects), f.created(t)); diff != "" {
		t.Errorf("objects of the cluster (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(logged, f.lines(t, logrus.InfoLevel)); diff != "" {
		t.Errorf("logged (-want +got):\n%s", diff)
	}
	f.logged.Reset()
}

// TestWhatIsInTheWayOfCreating holds that a conversion stays whole where what it
// needs cannot be created, and that what is there is not touched.
func TestWhatIsInTheWayOfCreating(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		objects []client.Object
		failure error
		want    []string
		logged  string
	}{
		"a Secret that is there is left as it is": {
			objects: []client.Object{&corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: "market", Name: "pv-oss-access-key"},
				Data:       map[string][]byte{"akSecret": []byte("newer")},
			}},
			want:   []string{`{metadata: {namespace: market, name: pv-oss-access-key, creationTimestamp: null}, data: {akSecret: bmV3ZXI=}}`},
			logged: `level=info msg="What a converted FlexVolume needs is there already, and is left as it is" created="Secret market/pv-oss-access-key" name=pv-oss namespace= resource=persistentvolumes`,
		},
		"a Secret that cannot be created is logged": {
			failure: errors.New("no quota"),
			logged:  `level=error msg="Not created: what a converted FlexVolume needs; create it, or delete the volume's objects and restore again" created="Secret market/pv-oss-access-key" error="no quota" name=pv-oss namespace= resource=persistentvolumes`,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlexVolumes(t, failing(newAPI(t, test.objects...), func() error { return test.failure }))
			f.wantBucketConverted(t)
			f.wantCreated(t, test.want, []string{test.logged, convertedVolume("pv-oss", "oss", "pv-oss")})
		})
	}
}

// failing returns an API server that creates nothing while failure returns an error.
func failing(api client.WithWatch, failure func() error) client.WithWatch {
	return interceptor.NewClient(api, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if err := failure(); err != nil {
				return err
			}
			return c.Create(ctx, object, options...)
		},
	})
}

// TestASecretWaitsForTheNamespaceOfItsClaim holds that no Namespace is created, which
// Velero does with the labels that were backed up, and that the Secret comes after it.
func TestASecretWaitsForTheNamespaceOfItsClaim(t *testing.T) {
	t.Parallel()
	terminating := apierrors.NewForbidden(corev1.Resource("secrets"), "pv-oss-access-key", errors.New("the namespace is being terminated"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	cases := map[string]struct {
		// without is the failure as long as the namespace is not there, then that after it.
		without, then error
		want          []string
		logged        string
	}{
		"a namespace that is not there": {
			without: apierrors.NewNotFound(corev1.Resource("namespaces"), "market"),
			want:    []string{flexBucketSecret},
			logged:  createdFor("name=docs namespace=shop resource=persistentvolumeclaims", "Secret market/pv-oss-access-key"),
		},
		"a namespace that is being deleted": {
			without: terminating,
			want:    []string{flexBucketSecret},
			logged:  createdFor("name=docs namespace=shop resource=persistentvolumeclaims", "Secret market/pv-oss-access-key"),
		},
		"a Secret that cannot be created then": {
			without: terminating,
			then:    errors.New("no quota"),
			logged:  `level=error msg="Not created: what a converted FlexVolume needs; create it, or delete the volume's objects and restore again" created="Secret market/pv-oss-access-key" error="no quota" name=docs namespace=shop resource=persistentvolumeclaims`,
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failure := test.without
			f := newFlexVolumes(t, failing(newAPI(t), func() error { return failure }))
			f.wantBucketConverted(t)
			f.wantCreated(t, nil, []string{
				`level=info msg="What a converted FlexVolume needs is created with its claim, for its namespace is not there yet" created="Secret market/pv-oss-access-key" name=pv-oss namespace= resource=persistentvolumes`,
				convertedVolume("pv-oss", "oss", "pv-oss"),
			})
			failure = test.then
			f.wantClaimAsItIs(t, "other")
			f.restore.UID = "another restore"
			f.wantClaimAsItIs(t, "docs")
			f.wantCreated(t, nil, nil)
			f.restore.UID = newRestore("restore-1").UID
			f.wantClaimAsItIs(t, "docs")
			f.wantCreated(t, test.want, []string{test.logged})
			f.wantClaimAsItIs(t, "docs")
			f.wantCreated(t, test.want, nil)
		})
	}
}

// wantClaimAsItIs restores a claim, of which nothing is changed.
func (f *flexVolumes) wantClaimAsItIs(t *testing.T, name string) {
	t.Helper()
	claim := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": map[string]any{"namespace": "shop", "name": name},
	}}
	before := claim.DeepCopy()
	output, err := f.execute(claim.DeepCopy(), claim)
	if err != nil {
		t.Fatal(err)
	}
	if output.UpdatedItem != claim {
		t.Errorf("the claim becomes:\n%s", asYAML(t, output.UpdatedItem))
	}
	if diff := cmp.Diff(before.Object, claim.Object); diff != "" {
		t.Errorf("the claim was changed (-before +after):\n%s", diff)
	}
}

const (
	// inlinePod has a disk without a PersistentVolume; inlineName is what stands for it.
	inlinePod  = `{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web}, spec: {volumes: [{name: data, flexVolume: {driver: alicloud/disk, fsType: ext4, options: {volumeId: d-1}}}]}}`
	inlineName = "flexvolume-1b065cd1c3f8cfcc"
)

func TestWithoutAClusterAFlexVolumeIsConvertedWithAnError(t *testing.T) {
	t.Parallel()
	f := newFlexVolumesIn(t, cluster.Absent(errors.New("no API server")), newAPI(t))
	output, err := f.execute(readObject(t, inlinePod), readObject(t, inlinePod))
	if err != nil {
		t.Fatal(err)
	}
	want := `{apiVersion: v1, kind: Pod, metadata: {namespace: shop, name: web}, spec: {volumes: [{name: data, persistentVolumeClaim: {claimName: ` + inlineName + `}}]}}`
	if diff := cmp.Diff(readObject(t, want).Object, asUnstructured(t, output.UpdatedItem).Object); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
	const notCreated = `level=error msg="Not created: what a converted FlexVolume needs; create it, or delete the volume's objects and restore again" created=`
	f.wantCreated(t, nil, []string{
		notCreated + `"PersistentVolume /` + inlineName + `" error="no API server" name=web namespace=shop resource=pods`,
		notCreated + `"PersistentVolumeClaim market/` + inlineName + `" error="no API server" name=web namespace=shop resource=pods`,
		convertedInline("web", "pods", "data", "disk", inlineName),
	})
}

// TestSecretsOfSeveralVolumesWaitForAClaim has a PersistentVolume of an earlier claim of the
// same name, which is Released, before and after that of the claim. Actions may run twice.
func TestSecretsOfSeveralVolumesWaitForAClaim(t *testing.T) {
	t.Parallel()
	var failure error = apierrors.NewNotFound(corev1.Resource("namespaces"), "market")
	f := newFlexVolumes(t, failing(newAPI(t), func() error { return failure }))
	for _, name := range []string{"pv-earlier", "pv-oss", "pv-oss", "pv-later"} {
		pv := readObject(t, flexBucket)
		pv.SetName(name)
		if _, err := f.execute(pv, pv); err != nil {
			t.Fatal(err)
		}
	}
	failure = nil
	f.wantClaimAsItIs(t, "docs")
	secrets := &corev1.SecretList{}
	if err := f.api.List(t.Context(), secrets); err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range secrets.Items {
		got = append(got, client.ObjectKeyFromObject(&secrets.Items[i]).String())
	}
	want := []string{"market/pv-earlier-access-key", "market/pv-later-access-key", "market/pv-oss-access-key"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Secrets (-want +got):\n%s", diff)
	}
	if lines := f.lines(t, logrus.WarnLevel); len(lines) > 0 {
		t.Errorf("logged %v", lines)
	}
}
