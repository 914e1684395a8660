// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"
)

// inlineVolume is the PersistentVolume of the Pod, of the claim and for the disk.
func inlineVolume(claimRef, disk string) string {
	return `
metadata: {name: ` + inlineName + `, creationTimestamp: null, labels: {velero.io/restore-name: earlier}}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {storage: 20Gi}
  claimRef: ` + claimRef + `
  csi: {driver: diskplugin.csi.alibabacloud.com, fsType: ext4, volumeHandle: ` + disk + `}
  persistentVolumeReclaimPolicy: Retain
`
}

// TestAFlexVolumeOfAPodIsRestoredAgain holds that the claim of a volume that an
// earlier restore has left behind can be bound, or a warning says that it cannot.
func TestAFlexVolumeOfAPodIsRestoredAgain(t *testing.T) {
	t.Parallel()
	const (
		spec       = `, labels: ` + labelsOfRestore + `}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 20Gi}}, storageClassName: "", volumeName: ` + inlineName + `}}`
		fields     = `name=web namespace=shop resource=pods`
		ofPV       = ` created="PersistentVolume /` + inlineName + `"`
		left       = `level=info msg="What a converted FlexVolume needs is there already, and is left as it is"`
		freed      = `level=info msg="Freed a PersistentVolume of an earlier restore, whose claim is gone, for the new claim"` + ofPV + ` ` + fields
		unusable   = `level=warning msg="The claim of a converted FlexVolume may stay Pending, for its PersistentVolume is there already: delete that if nothing else needs it, and restore again"` + ofPV
		claimLeft  = left + ` created="PersistentVolumeClaim market/` + inlineName + `" ` + fields
		volumeLeft = left + ofPV + ` ` + fields

		ref       = `{apiVersion: v1, kind: PersistentVolumeClaim, namespace: market, name: ` + inlineName + `}`
		boundRef  = `{apiVersion: v1, kind: PersistentVolumeClaim, namespace: market, name: ` + inlineName + `, uid: old, resourceVersion: "7"}`
		otherRef  = `{apiVersion: v1, kind: PersistentVolumeClaim, namespace: shop, name: data, uid: old}`
		newClaim  = `{metadata: {creationTimestamp: null, namespace: market, name: ` + inlineName + spec
		oldClaim  = `{metadata: {creationTimestamp: null, namespace: market, uid: old, name: ` + inlineName + spec
		nextClaim = `{metadata: {creationTimestamp: null, namespace: market, uid: next, name: ` + inlineName + spec
	)
	claimMade := createdFor(fields, "PersistentVolumeClaim market/"+inlineName)
	noRef := strings.Replace(inlineVolume(ref, "d-1"), "  claimRef: "+ref+"\n", "", 1)
	deleted := strings.Replace(inlineVolume(ref, "d-1"), "metadata: {", `metadata: {deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: [kubernetes.io/pv-protection], `, 1)
	cases := map[string]struct {
		volume, claim string
		// change is what else is in the cluster.
		change interceptor.Funcs
		// wantVolume is volume if it is empty.
		wantVolume, wantClaim string
		logged                []string
	}{
		"a volume whose claim is gone is freed for the new one": {
			volume:     inlineVolume(boundRef, "d-1"),
			wantVolume: inlineVolume(ref, "d-1"), wantClaim: newClaim,
			logged: []string{freed, claimMade},
		},
		"a volume whose claim is another one of the same name is freed for that": {
			volume: inlineVolume(boundRef, "d-1"), claim: nextClaim,
			wantVolume: inlineVolume(ref, "d-1"), wantClaim: nextClaim,
			logged: []string{freed, claimLeft},
		},
		"a volume that is bound to its claim is left as it is": {
			volume: inlineVolume(boundRef, "d-1"), claim: oldClaim,
			wantClaim: oldClaim,
			logged:    []string{volumeLeft, claimLeft},
		},
		"a volume that is reserved for its claim is left as it is": {
			volume:    inlineVolume(ref, "d-1"),
			wantClaim: newClaim,
			logged:    []string{volumeLeft, claimMade},
		},
		"a volume that a person has freed is left as it is": {
			volume:    noRef,
			wantClaim: newClaim,
			logged:    []string{volumeLeft, claimMade},
		},
		"a volume that is another disk by now is left with a warning": {
			volume:    inlineVolume(boundRef, "d-2"),
			wantClaim: newClaim,
			logged:    []string{unusable + ` error="the PersistentVolume is other storage" ` + fields, claimMade},
		},
		"a volume that is of another claim by now is left with a warning": {
			volume:    inlineVolume(otherRef, "d-1"),
			wantClaim: newClaim,
			logged:    []string{unusable + ` error="the PersistentVolume is of the claim shop/data" ` + fields, claimMade},
		},
		"a volume that is being deleted is left with a warning": {
			volume:    deleted,
			wantClaim: newClaim,
			logged:    []string{unusable + ` error="the PersistentVolume is being deleted" ` + fields, claimMade},
		},
		"a volume that cannot be read is left with a warning": {
			volume:    inlineVolume(boundRef, "d-1"),
			change:    unreadable[*corev1.PersistentVolume](),
			wantClaim: newClaim,
			logged:    []string{unusable + ` error="reading the PersistentVolume: not allowed" ` + fields, claimMade},
		},
		"a volume whose claim cannot be read is left with a warning": {
			volume:    inlineVolume(boundRef, "d-1"),
			change:    unreadable[*corev1.PersistentVolumeClaim](),
			wantClaim: newClaim,
			logged:    []string{unusable + ` error="reading the claim that the PersistentVolume is bound to: not allowed" ` + fields, claimMade},
		},
		"a volume that cannot be changed is left with a warning": {
			volume: inlineVolume(boundRef, "d-1"),
			change: interceptor.Funcs{Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
				return errors.New("not allowed")
			}},
			wantClaim: newClaim,
			logged:    []string{unusable + ` error="freeing the PersistentVolume of a claim that is gone: not allowed" ` + fields, claimMade},
		},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			objects := []client.Object{typed(t, test.volume, &corev1.PersistentVolume{})}
			if test.claim != "" {
				objects = append(objects, typed(t, test.claim, &corev1.PersistentVolumeClaim{}))
			}
			f := newFlexVolumes(t, interceptor.NewClient(newAPI(t, objects...), test.change))
			if _, err := f.execute(readObject(t, inlinePod), readObject(t, inlinePod)); err != nil {
				t.Fatal(err)
			}
			volume := test.wantVolume
			if volume == "" {
				volume = test.volume
			}
			f.wantCreated(t, []string{volume, test.wantClaim}, append(test.logged, convertedInline("web", "pods", "data", "disk", inlineName)))
		})
	}
}

// unreadable keeps objects of a type from being read.
func unreadable[T client.Object]() interceptor.Funcs {
	return interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if _, ok := object.(T); ok {
				return errors.New("not allowed")
			}
			return c.Get(ctx, key, object, options...)
		},
	}
}

// typed reads the YAML into object.
func typed(t *testing.T, text string, object client.Object) client.Object {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
		t.Fatal(err)
	}
	return object
}
