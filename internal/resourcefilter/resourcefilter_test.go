// SPDX-License-Identifier: Apache-2.0

package resourcefilter_test

import (
	"testing"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/resourcefilter"
)

func TestIn(t *testing.T) {
	t.Parallel()
	volumes := resourcefilter.Resource{Name: "persistentvolumes", Aliases: []string{"persistentvolume", "pv"}}
	tests := []struct {
		name               string
		included, excluded []string
		want               bool
	}{
		{name: "without lists all are in", want: true},
		{name: "a star includes all", included: []string{"*"}, want: true},
		{name: "a name includes it", included: []string{"pods", "persistentvolumes"}, want: true},
		{name: "so does an alias, in any case", included: []string{"PV"}, want: true},
		{name: "so does a pattern", included: []string{"persistentvolume*"}, want: true},
		{name: "the names of others leave it out", included: []string{"pods"}},
		{name: "it is excluded by its name", excluded: []string{"persistentvolumes"}},
		{name: "it is excluded by an alias, though it is included", included: []string{"*"}, excluded: []string{"pv"}},
		{name: "a star excludes all", excluded: []string{"*"}},
		{name: "the exclusion of others leaves it in", excluded: []string{"pods"}, want: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := volumes.In(tt.included, tt.excluded); got != tt.want {
				t.Errorf("In(%q, %q) is %v, want %v", tt.included, tt.excluded, got, tt.want)
			}
		})
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	var (
		secrets = resourcefilter.Resource{Name: "secrets", Aliases: []string{"secret"}}
		classes = resourcefilter.Resource{Name: "ingressclasses.networking.k8s.io", Aliases: []string{"ingressclasses"}}
		no, yes = new(bool), new(bool)
	)
	*yes = true
	tests := []struct {
		name      string
		resource  resourcefilter.Resource
		namespace string
		// restore has what both a Backup and a Restore can say; newStyle only a Backup.
		restore  velerov1.RestoreSpec
		newStyle *velerov1.BackupSpec
		want     resourcefilter.Verdict
	}{
		{name: "without lists a Secret is taken", resource: secrets, namespace: "shop", want: resourcefilter.Taken},
		{name: "without lists a class is taken", resource: classes, want: resourcefilter.Taken},
		{
			name: "a Secret in a namespace that is included is taken", resource: secrets, namespace: "shop",
			restore: velerov1.RestoreSpec{IncludedNamespaces: []string{"bank", "shop"}}, want: resourcefilter.Taken,
		},
		{
			name: "so is one in a namespace of a pattern", resource: secrets, namespace: "shop",
			restore: velerov1.RestoreSpec{IncludedNamespaces: []string{"sh*"}}, want: resourcefilter.Taken,
		},
		{
			name: "one in another namespace is left out", resource: secrets, namespace: "infra",
			restore: velerov1.RestoreSpec{IncludedNamespaces: []string{"bank", "sh*"}}, want: resourcefilter.LeftOut,
		},
		{
			name: "one in a namespace that is excluded is excluded", resource: secrets, namespace: "kube-system",
			restore: velerov1.RestoreSpec{ExcludedNamespaces: []string{"kube-*"}}, want: resourcefilter.Excluded,
		},
		{
			name: "so is one where the namespace is included too", resource: secrets, namespace: "shop",
			restore: velerov1.RestoreSpec{IncludedNamespaces: []string{"*"}, ExcludedNamespaces: []string{"shop"}}, want: resourcefilter.Excluded,
		},
		{
			name: "so is one that is not in the list of resources either", resource: secrets, namespace: "shop",
			restore: velerov1.RestoreSpec{IncludedResources: []string{"pvc"}, ExcludedNamespaces: []string{"shop"}}, want: resourcefilter.Excluded,
		},
		{
			name: "one beside a namespace that is excluded is taken", resource: secrets, namespace: "shop",
			restore: velerov1.RestoreSpec{ExcludedNamespaces: []string{"kube-*"}}, want: resourcefilter.Taken,
		},
		{
			name: "namespaces do not matter to what is in none", resource: classes,
			restore: velerov1.RestoreSpec{IncludedNamespaces: []string{"shop"}, ExcludedNamespaces: []string{"*"}}, want: resourcefilter.Taken,
		},
		{
			name: "a resource that is not in the list of those included is left out", resource: secrets, namespace: "shop",
			restore: velerov1.RestoreSpec{IncludedResources: []string{"pvc", "pv"}}, want: resourcefilter.LeftOut,
		},
		{
			name: "so is one in no namespace", resource: classes,
			restore: velerov1.RestoreSpec{IncludedResources: []string{"ingresses"}}, want: resourcefilter.LeftOut,
		},
		{
			name: "a resource that is excluded by its alias is excluded", resource: secrets, namespace: "shop",
			restore: velerov1.RestoreSpec{ExcludedResources: []string{"secret"}}, want: resourcefilter.Excluded,
		},
		{
			name: "it is in a namespace that is left out too", resource: secrets, namespace: "infra",
			restore: velerov1.RestoreSpec{ExcludedResources: []string{"secrets"}, IncludedNamespaces: []string{"shop"}}, want: resourcefilter.Excluded,
		},
		{
			name: "no objects that are in no namespace: a class is excluded", resource: classes,
			restore: velerov1.RestoreSpec{IncludeClusterResources: no}, want: resourcefilter.Excluded,
		},
		{
			name: "no objects that are in no namespace: a Secret is taken", resource: secrets, namespace: "shop",
			restore: velerov1.RestoreSpec{IncludeClusterResources: no}, want: resourcefilter.Taken,
		},
		{
			name: "all objects that are in no namespace: a class is taken", resource: classes,
			restore: velerov1.RestoreSpec{IncludeClusterResources: yes}, want: resourcefilter.Taken,
		},
		{
			name: "a list of resources in namespaces leaves out a Secret", resource: secrets, namespace: "shop",
			newStyle: &velerov1.BackupSpec{IncludedNamespaceScopedResources: []string{"persistentvolumeclaims"}}, want: resourcefilter.LeftOut,
		},
		{
			name: "a list of resources in namespaces excludes a Secret", resource: secrets, namespace: "shop",
			newStyle: &velerov1.BackupSpec{ExcludedNamespaceScopedResources: []string{"*"}}, want: resourcefilter.Excluded,
		},
		{
			name: "a list of resources in no namespace does not leave out a class", resource: classes,
			newStyle: &velerov1.BackupSpec{IncludedClusterScopedResources: []string{"persistentvolumes"}}, want: resourcefilter.Taken,
		},
		{
			name: "a list of resources in no namespace excludes a class", resource: classes,
			newStyle: &velerov1.BackupSpec{ExcludedClusterScopedResources: []string{"ingressclasses"}}, want: resourcefilter.Excluded,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			backup := tt.newStyle
			if backup == nil {
				backup = &velerov1.BackupSpec{
					IncludedNamespaces: tt.restore.IncludedNamespaces, ExcludedNamespaces: tt.restore.ExcludedNamespaces,
					IncludedResources: tt.restore.IncludedResources, ExcludedResources: tt.restore.ExcludedResources,
					IncludeClusterResources: tt.restore.IncludeClusterResources,
				}
				if got := tt.resource.InRestore(&tt.restore, tt.namespace); got != tt.want {
					t.Errorf("InRestore() is %v, want %v", got, tt.want)
				}
			}
			if got := tt.resource.InBackup(backup, tt.namespace); got != tt.want {
				t.Errorf("InBackup() is %v, want %v", got, tt.want)
			}
		})
	}
}
