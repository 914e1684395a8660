// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	logrustest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	riav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/restoreitemaction/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

var _ riav1.RestoreItemAction = (*restoreitemaction.IngressClass)(nil)

func TestClassesOfIngresses(t *testing.T) {
	t.Parallel()
	const (
		class, config = "ingressclasses.networking.k8s.io/alb", "albconfigs.alibabacloud.com/default"
		noted         = `{alibabacloud.com/backed-up-with: "` + class + "," + config + `", kubernetes.io/ingress.class: alb}`
		plain         = `{kubernetes.io/ingress.class: alb}`
		mustInclude   = `{kubernetes.io/ingress.class: alb, restore.velero.io/must-include-additional-items: "true"}`
		missing       = "This cluster has no AlbConfigs, so that none is restored with its Ingresses: install the ALB Ingress Controller, then restore again"
	)
	no := false
	withALB := &served{kinds: map[string][]string{"alibabacloud.com/v1": {"AlbConfig"}}}
	tests := []struct {
		name        string
		annotations string
		spec        velerov1.RestoreSpec
		served      *served
		want        string
		wantWith    []string
		wantWarning string
	}{
		{name: "come along as the backup has noted them, without the note", annotations: noted, served: withALB, want: plain, wantWith: []string{class, config}},
		{
			name: "come along by themselves where namespaces are listed", annotations: noted, served: withALB,
			spec: velerov1.RestoreSpec{IncludedNamespaces: []string{"shop"}}, want: plain, wantWith: []string{class, config},
		},
		{
			name: "must come along where resources are listed", annotations: noted, served: withALB,
			spec: velerov1.RestoreSpec{IncludedResources: []string{"ingresses", "services"}}, want: mustInclude, wantWith: []string{class, config},
		},
		{
			name: "stay where nothing is restored that is in no namespace", annotations: noted, served: withALB,
			spec: velerov1.RestoreSpec{IncludeClusterResources: &no}, want: plain,
		},
		{
			name: "stay where they are excluded", annotations: noted, served: withALB,
			spec: velerov1.RestoreSpec{ExcludedResources: []string{"ingressclasses"}}, want: plain, wantWith: []string{config},
		},
		{
			name: "come without an AlbConfig where the cluster has none", annotations: noted, served: &served{},
			want: plain, wantWith: []string{class}, wantWarning: missing,
		},
		{
			name: "are left to Velero where the cluster does not tell", annotations: noted, served: &served{err: errors.New("down")},
			want: plain, wantWith: []string{class, config},
		},
		{name: "without a note stay as they are", annotations: plain, served: &served{}, want: plain},
		{
			name:        "are the only thing that a note is followed for",
			annotations: `{alibabacloud.com/backed-up-with: secrets/shop/oss, kubernetes.io/ingress.class: alb}`, served: &served{}, want: plain,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, version := range []string{"networking.k8s.io/v1", "extensions/v1beta1"} {
				log, hook := logrustest.NewNullLogger()
				action := restoreitemaction.NewIngressClass(log, &served{kinds: tt.served.kinds, err: tt.served.err}, nowhere())
				got, with := restoreWith(t, action, restoreOf(tt.spec), readObject(t, annotated(version, "Ingress", tt.annotations)))
				wantObject(t, annotated(version, "Ingress", tt.want), got)
				if diff := cmp.Diff(tt.wantWith, with, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("additional items (-want +got):\n%s", diff)
				}
				var warnings []string
				for _, line := range warningsOf(hook) {
					warnings = append(warnings, line.Message)
				}
				if want := tt.wantWarning; want == "" && len(warnings) > 0 || want != "" && !cmp.Equal(warnings, []string{want}) {
					t.Errorf("warnings %q, want %q once", warnings, want)
				}
			}
		})
	}
}

// TestAlbConfigsAreAskedForOnceInARestore restores many Ingresses with the same class.
func TestAlbConfigsAreAskedForOnceInARestore(t *testing.T) {
	t.Parallel()
	log, hook := logrustest.NewNullLogger()
	discovery := &served{}
	action := restoreitemaction.NewIngressClass(log, discovery, nowhere())
	ingress := readObject(t, annotated("networking.k8s.io/v1", "Ingress", "{alibabacloud.com/backed-up-with: albconfigs.alibabacloud.com/default}"))
	for range 5 {
		restoreWith(t, action, newRestore("restore-1"), ingress)
	}
	if diff := cmp.Diff([]string{"alibabacloud.com/v1"}, discovery.asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	if warnings := warningsOf(hook); len(warnings) != 1 {
		t.Errorf("warnings %v, want one", warnings)
	}
}
