// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	riav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/restoreitemaction/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

var _ riav1.RestoreItemAction = (*restoreitemaction.VolumeSecrets)(nil)

// restoreWith runs an action on an object that was backed up, and once more on what it has
// returned, and returns the object and what is restored with it, such as secrets/shop/oss.
// It fails unless the second time is as the first one, and the input is left alone.
func restoreWith(t *testing.T, action riav1.RestoreItemAction, restore *velerov1.Restore, backedUp *unstructured.Unstructured) (*unstructured.Unstructured, []string) {
	t.Helper()
	item := backedUp.DeepCopy()
	once := executeOn(t, action, restore, backedUp, item)
	updated := asUnstructured(t, once.UpdatedItem)
	if diff := cmp.Diff(backedUp, item); diff != "" {
		t.Errorf("the input was changed (-before +after):\n%s", diff)
	}
	if updated != item && cmp.Equal(updated, item) {
		t.Error("another item that says the same was returned")
	}
	twice := executeOn(t, action, restore, backedUp, updated)
	if twice.UpdatedItem != once.UpdatedItem {
		t.Error("what was returned was changed once more")
	}
	if diff := cmp.Diff(once.AdditionalItems, twice.AdditionalItems); diff != "" {
		t.Errorf("additional items (-once +twice):\n%s", diff)
	}
	var with []string
	for _, id := range once.AdditionalItems {
		with = append(with, strings.ReplaceAll(id.String()+"/"+id.Namespace+"/"+id.Name, "//", "/"))
	}
	return updated, with
}

func executeOn(t *testing.T, action riav1.RestoreItemAction, restore *velerov1.Restore, backedUp, item *unstructured.Unstructured) *velero.RestoreItemActionExecuteOutput {
	t.Helper()
	output, err := action.Execute(&velero.RestoreItemActionExecuteInput{Item: item, ItemFromBackup: backedUp.DeepCopy(), Restore: restore})
	if err != nil {
		t.Fatal(err)
	}
	return output
}

// restoreOf returns a Restore that says so.
func restoreOf(spec velerov1.RestoreSpec) *velerov1.Restore {
	restore := newRestore("restore-1")
	restore.Spec = spec
	return restore
}

func TestSecretsOfVolumes(t *testing.T) {
	t.Parallel()
	// bucket is the PersistentVolume of a bucket with annotations, where it looks for its
	// two Secrets.
	bucket := func(annotations, publish, stage string) string {
		return `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv, annotations: ` + annotations + `}
spec:
  claimRef: {namespace: shop, name: data}
  newer: field
  csi:
    driver: ossplugin.csi.alibabacloud.com
    nodePublishSecretRef: {namespace: ` + publish + `, name: oss}
    nodeStageSecretRef: {namespace: ` + stage + `, name: oss}
`
	}
	const (
		noted       = `{alibabacloud.com/backed-up-with: "secrets/infra/oss,secrets/shop/oss", team: shop}`
		notedShop   = `{alibabacloud.com/backed-up-with: secrets/shop/oss, team: shop}`
		plain       = `{team: shop}`
		mustInclude = `{team: shop, restore.velero.io/must-include-additional-items: "true"}`
	)
	both := []string{"secrets/infra/oss", "secrets/shop/oss"}
	mapped := map[string]string{"shop": "bank", "bank": "elsewhere", "infra": "infra-test"}
	tests := []struct {
		name     string
		object   string
		spec     velerov1.RestoreSpec
		want     string
		wantWith []string
	}{
		{
			name: "come along as the backup has noted them, without the note", object: bucket(noted, "shop", "infra"),
			want: bucket(plain, "shop", "infra"), wantWith: both,
		},
		{
			name: "must come along where namespaces are listed", object: bucket(noted, "shop", "infra"),
			spec: velerov1.RestoreSpec{IncludedNamespaces: []string{"shop"}},
			want: bucket(mustInclude, "shop", "infra"), wantWith: both,
		},
		{
			name: "must come along where resources are listed", object: bucket(notedShop, "shop", "infra"),
			spec: velerov1.RestoreSpec{IncludedResources: []string{"pvc", "pv"}},
			want: bucket(mustInclude, "shop", "infra"), wantWith: []string{"secrets/shop/oss"},
		},
		{
			name: "are looked for where they are restored to, and are mapped once", object: bucket(noted, "shop", "infra"),
			spec: velerov1.RestoreSpec{IncludedNamespaces: []string{"shop"}, NamespaceMapping: mapped},
			want: bucket(mustInclude, "bank", "infra-test"), wantWith: both,
		},
		{
			name: "are left alone where they are excluded", object: bucket(noted, "shop", "infra"),
			spec: velerov1.RestoreSpec{ExcludedResources: []string{"secrets"}, NamespaceMapping: mapped},
			want: bucket(plain, "shop", "infra"),
		},
		{
			name: "are left alone where their namespace is excluded", object: bucket(noted, "shop", "infra"),
			spec: velerov1.RestoreSpec{ExcludedNamespaces: []string{"infra"}, NamespaceMapping: mapped},
			want: bucket(plain, "bank", "infra"), wantWith: []string{"secrets/shop/oss"},
		},
		{
			name: "without a note are looked for where their whole namespace is restored to", object: bucket(plain, "shop", "infra"),
			spec: velerov1.RestoreSpec{IncludedNamespaces: []string{"shop"}, NamespaceMapping: mapped},
			want: bucket(plain, "bank", "infra"),
		},
		{
			name: "without a note stay where a Restore has no Secrets", object: bucket(plain, "shop", "infra"),
			spec: velerov1.RestoreSpec{IncludedResources: []string{"pvc", "pv"}, NamespaceMapping: mapped},
			want: bucket(plain, "shop", "infra"),
		},
		{
			name: "without a note and a mapping stay", object: bucket(plain, "shop", "infra"),
			want: bucket(plain, "shop", "infra"),
		},
		{
			name:     "come with the claim too, of which nothing is left that the backup wrote",
			object:   `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {namespace: shop, name: data, annotations: {alibabacloud.com/backed-up-with: secrets/infra/oss, backup.velero.io/must-include-additional-items: "true"}}}`,
			spec:     velerov1.RestoreSpec{NamespaceMapping: mapped},
			want:     `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {namespace: shop, name: data}}`,
			wantWith: []string{"secrets/infra/oss"},
		},
		{
			name:   "are the only thing that a note is followed for",
			object: bucket(`{alibabacloud.com/backed-up-with: "clusterroles.rbac.authorization.k8s.io/admin,secrets/../x,ingressclasses.networking.k8s.io/alb", team: shop}`, "shop", "infra"),
			want:   bucket(plain, "shop", "infra"),
		},
		{
			name: "are not needed by a volume that goes without what the backup has written into it",
			object: `
apiVersion: v1
kind: PersistentVolume
metadata:
  name: pv
  labels: {topology.kubernetes.io/zone: cn-beijing-k}
  annotations: {alibabacloud.com/zone-of-backup: cn-beijing-k, alibabacloud.com/data-left-out: "daily: no running Pod mounts the claim shop/data"}
spec: {csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1}}
`,
			want: `{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv}, spec: {csi: {driver: diskplugin.csi.alibabacloud.com, volumeHandle: d-1}}}`,
		},
		{
			name:   "of another vendor stay, and so does what another tool has written",
			object: `{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv, annotations: {backup.velero.io/must-include-additional-items: "true"}}, spec: {csi: {driver: ebs.csi.aws.com, nodePublishSecretRef: {namespace: shop, name: x}}}}`,
			spec:   velerov1.RestoreSpec{NamespaceMapping: mapped},
			want:   `{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv, annotations: {backup.velero.io/must-include-additional-items: "true"}}, spec: {csi: {driver: ebs.csi.aws.com, nodePublishSecretRef: {namespace: shop, name: x}}}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			log, hook := logrustest.NewNullLogger()
			got, with := restoreWith(t, restoreitemaction.NewVolumeSecrets(log, nowhere()), restoreOf(tt.spec), readObject(t, tt.object))
			wantObject(t, tt.want, got)
			if diff := cmp.Diff(tt.wantWith, with, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("additional items (-want +got):\n%s", diff)
			}
			if warnings := warningsOf(hook); len(warnings) > 0 {
				t.Errorf("warnings %v", warnings)
			}
		})
	}
}

// TestSecretsOfConvertedFlexVolumes holds that it does not matter whether flexvolume-to-csi
// comes before or after, or not at all.
func TestSecretsOfConvertedFlexVolumes(t *testing.T) {
	t.Parallel()
	const backedUp = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv, annotations: {alibabacloud.com/backed-up-with: secrets/shop/oss}}
spec:
  claimRef: {namespace: shop, name: data}
  flexVolume: {driver: alicloud/oss, secretRef: {namespace: shop, name: oss}, options: {bucket: docs, url: u}}
`
	const converted = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv}
spec:
  claimRef: {namespace: shop, name: data}
  csi:
    driver: ossplugin.csi.alibabacloud.com
    volumeHandle: pv
    nodePublishSecretRef: {namespace: bank, name: oss}
    volumeAttributes: {bucket: docs, url: u, otherOpts: "-o allow_other"}
`
	const kept = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv}
spec:
  claimRef: {namespace: shop, name: data}
  flexVolume: {driver: alicloud/oss, secretRef: {namespace: bank, name: oss}, options: {bucket: docs, url: u}}
`
	restore := restoreOf(velerov1.RestoreSpec{NamespaceMapping: map[string]string{"shop": "bank", "bank": "elsewhere"}})
	p := newProcess(t, &scenario{restore: restore, served: everything()})
	for want, orders := range map[string][][]string{
		converted: {
			{restoreitemaction.VolumeSecretsName, restoreitemaction.FlexVolumeToCSIName},
			{restoreitemaction.FlexVolumeToCSIName, restoreitemaction.VolumeSecretsName},
		},
		kept: {{restoreitemaction.VolumeSecretsName}},
	} {
		for _, order := range orders {
			object := readObject(t, backedUp)
			got, _, err := p.restoreObject(t, scenarioObject{backedUp: object, item: object.DeepCopy()}, order)
			if err != nil {
				t.Fatal(err)
			}
			wantObject(t, want, got)
		}
	}
}

func TestMovedSecretsAreLogged(t *testing.T) {
	t.Parallel()
	log, hook := logrustest.NewNullLogger()
	object := readObject(t, `{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv, annotations: {alibabacloud.com/backed-up-with: secrets/shop/oss}}, spec: {csi: {driver: ossplugin.csi.alibabacloud.com, nodePublishSecretRef: {namespace: shop, name: oss}}}}`)
	restoreWith(t, restoreitemaction.NewVolumeSecrets(log, nowhere()), restoreOf(velerov1.RestoreSpec{NamespaceMapping: map[string]string{"shop": "bank"}}), object)
	entry, err := hook.AllEntries()[1].String()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"level=info", "name=pv", `old="[shop/oss]"`, `new="[bank/oss]"`} {
		if !strings.Contains(entry, want) {
			t.Errorf("logged %s, want %s in it", entry, want)
		}
	}
	if level := hook.AllEntries()[0].Level; level != logrus.InfoLevel {
		t.Errorf("logged at the level %s", level)
	}
}
