// SPDX-License-Identifier: Apache-2.0

package companion_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/companion"
)

func secret(namespace, name string) companion.Companion {
	return companion.Companion{Kind: companion.Secret, Namespace: namespace, Name: name}
}

func ingressClass(name string) companion.Companion {
	return companion.Companion{Kind: companion.IngressClass, Name: name}
}

func albConfig(name string) companion.Companion {
	return companion.Companion{Kind: companion.AlbConfig, Name: name}
}

func all() []companion.Companion {
	return []companion.Companion{secret("shop", "oss"), ingressClass("alb"), albConfig("default.config")}
}

func allKinds() []companion.Kind {
	return []companion.Kind{companion.Secret, companion.IngressClass, companion.AlbConfig}
}

func TestNote(t *testing.T) {
	t.Parallel()
	const want = "secrets/shop/oss,ingressclasses.networking.k8s.io/alb,albconfigs.alibabacloud.com/default.config"
	if got := companion.Note(all()); got != want {
		t.Errorf("Note() = %s, want %s", got, want)
	}
	if diff := cmp.Diff(all(), companion.Noted(want, allKinds()...)); diff != "" {
		t.Errorf("Noted() of it (-want +got):\n%s", diff)
	}
}

func TestNoted(t *testing.T) {
	t.Parallel()
	oss := []companion.Companion{secret("shop", "oss")}
	tests := []struct {
		name, note string
		kinds      []companion.Kind
		want       []companion.Companion
	}{
		{name: "an empty note has none", kinds: allKinds()},
		{name: "a kind that is not asked for is left out", note: "secrets/shop/oss,ingressclasses.networking.k8s.io/alb", kinds: []companion.Kind{companion.Secret}, want: oss},
		{name: "so is one that nobody knows", note: "clusterroles.rbac.authorization.k8s.io/admin,secrets/shop/oss", kinds: allKinds(), want: oss},
		{name: "so is a Secret without a namespace", note: "secrets/oss,secrets//oss,secrets/shop/oss", kinds: allKinds(), want: oss},
		{name: "so is a class with one", note: "ingressclasses.networking.k8s.io/shop/alb,secrets/shop/oss", kinds: allKinds(), want: oss},
		{name: "so is what no object is called", note: "secrets/../oss,secrets/shop/../../x,secrets/shop/,secrets/shop/oss, secrets/shop/oss", kinds: allKinds(), want: oss},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, companion.Noted(tt.note, tt.kinds...)); diff != "" {
				t.Errorf("Noted(%q) (-want +got):\n%s", tt.note, diff)
			}
		})
	}
}

// FuzzNoted holds that what is read of a note is a name of an object, and is written as
// it was read.
func FuzzNoted(f *testing.F) {
	f.Add(companion.Note(all()))
	f.Add("secrets/../x,secrets/a/b/c,,/,albconfigs.alibabacloud.com/a")
	f.Fuzz(func(t *testing.T, note string) {
		noted := companion.Noted(note, allKinds()...)
		for _, c := range noted {
			if !strings.Contains(note, c.String()) || strings.Contains(c.Namespace+c.Name, "/") || strings.Contains(c.Name, "..") {
				t.Errorf("Noted(%q) has %#v", note, c)
			}
		}
		if diff := cmp.Diff(noted, companion.Noted(companion.Note(noted), allKinds()...)); diff != "" {
			t.Errorf("Noted(%q) written and read again (-once +twice):\n%s", note, diff)
		}
	})
}

func TestIdentifiers(t *testing.T) {
	t.Parallel()
	want := []velero.ResourceIdentifier{
		{GroupResource: schema.GroupResource{Resource: "secrets"}, Namespace: "shop", Name: "oss"},
		{GroupResource: schema.GroupResource{Group: "networking.k8s.io", Resource: "ingressclasses"}, Name: "alb"},
		{GroupResource: schema.GroupResource{Group: "alibabacloud.com", Resource: "albconfigs"}, Name: "default.config"},
	}
	if diff := cmp.Diff(want, companion.Identifiers(all())); diff != "" {
		t.Errorf("Identifiers() (-want +got):\n%s", diff)
	}
}

func TestWhatIsRead(t *testing.T) {
	t.Parallel()
	type read struct{ APIVersion, Kind, Key string }
	got := map[companion.Kind]read{}
	for _, c := range []companion.Companion{
		{Kind: companion.Secret, Namespace: "shop", Name: "oss"},
		{Kind: companion.IngressClass, Name: "alb"},
		{Kind: companion.AlbConfig, Name: "default"},
	} {
		got[c.Kind] = read{c.Metadata().APIVersion, c.Metadata().Kind, c.Key().String()}
	}
	want := map[companion.Kind]read{
		companion.Secret:       {"v1", "Secret", "shop/oss"},
		companion.IngressClass: {"networking.k8s.io/v1", "IngressClass", "/alb"},
		companion.AlbConfig:    {"alibabacloud.com/v1", "AlbConfig", "/default"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is read (-want +got):\n%s", diff)
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	no := false
	tests := []struct {
		name        string
		spec        velerov1.RestoreSpec
		wantAllowed []companion.Companion
		// wantLeftOut is whether one of those allowed is left out.
		wantLeftOut bool
	}{
		{name: "without lists all are taken", wantAllowed: all()},
		{name: "a Secret of another namespace is left out", spec: velerov1.RestoreSpec{IncludedNamespaces: []string{"bank"}}, wantAllowed: all(), wantLeftOut: true},
		{
			name:        "what is in no namespace is excluded altogether",
			spec:        velerov1.RestoreSpec{IncludeClusterResources: &no},
			wantAllowed: []companion.Companion{secret("shop", "oss")},
		},
		{
			name:        "the singular excludes",
			spec:        velerov1.RestoreSpec{ExcludedResources: []string{"secret", "ingressclass"}},
			wantAllowed: []companion.Companion{albConfig("default.config")},
		},
		{
			name:        "the plural without a group excludes",
			spec:        velerov1.RestoreSpec{ExcludedResources: []string{"secrets", "albconfigs"}, IncludedResources: []string{"ingresses"}},
			wantAllowed: []companion.Companion{ingressClass("alb")}, wantLeftOut: true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			backup := velerov1.BackupSpec{
				IncludedNamespaces: tt.spec.IncludedNamespaces, IncludedResources: tt.spec.IncludedResources,
				ExcludedResources: tt.spec.ExcludedResources, IncludeClusterResources: tt.spec.IncludeClusterResources,
			}
			for run, filter := range map[string]companion.Filter{"Backup": companion.OfBackup(&backup), "Restore": companion.OfRestore(&tt.spec)} {
				allowed := filter.Allowed(all())
				if diff := cmp.Diff(tt.wantAllowed, allowed); diff != "" {
					t.Errorf("allowed in a %s (-want +got):\n%s", run, diff)
				}
				if got := filter.LeavesOut(allowed); got != tt.wantLeftOut {
					t.Errorf("a %s leaves out = %v, want %v", run, got, tt.wantLeftOut)
				}
			}
		})
	}
}
