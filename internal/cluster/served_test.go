// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
)

func TestServedKinds(t *testing.T) {
	t.Parallel()
	forbidden := apierrors.NewForbidden(schema.GroupResource{Group: "batch"}, "", errors.New("no role"))
	server := serve(t, map[string]answer{
		"/apis/apps/v1": {http.StatusOK, &metav1.APIResourceList{
			TypeMeta:     metav1.TypeMeta{APIVersion: "v1", Kind: "APIResourceList"},
			GroupVersion: "apps/v1",
			APIResources: []metav1.APIResource{
				{Name: "deployments", Kind: "Deployment"},
				{Name: "deployments/scale", Kind: "Scale", Group: "autoscaling", Version: "v1"},
				{Name: "statefulsets", Kind: "StatefulSet"},
			},
		}},
		"/apis/apps/v1beta1": {http.StatusNotFound, "404 page not found"},
		"/apis/batch/v1":     {http.StatusForbidden, status(forbidden)},
	})
	here, err := cluster.Find(getenv(map[string]string{"KUBECONFIG": kubeconfig(t, server)}))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		cluster *cluster.Cluster
		version schema.GroupVersion
		want    []string
		wantErr string
	}{
		{
			name:    "a version that is served has its kinds, without those of subresources",
			cluster: here, version: schema.GroupVersion{Group: "apps", Version: "v1"},
			want: []string{"Deployment", "StatefulSet"},
		},
		{
			name:    "a version that is not served has none",
			cluster: here, version: schema.GroupVersion{Group: "apps", Version: "v1beta1"},
		},
		{
			name:    "what the API server refuses to tell is an error",
			cluster: here, version: schema.GroupVersion{Group: "batch", Version: "v1"},
			wantErr: `asking for what is served of batch/v1: .batch is forbidden: no role`,
		},
		{
			name:    "without a cluster the error says so",
			cluster: cluster.Absent(cluster.ErrNone), version: schema.GroupVersion{Group: "apps", Version: "v1"},
			wantErr: cluster.ErrNone.Error(),
		},
		{
			name:    "a client alone cannot be asked",
			cluster: cluster.New(nil, "velero"), version: schema.GroupVersion{Group: "apps", Version: "v1"},
			wantErr: "asking for what is served of apps/v1: this cluster is one of a client alone, which cannot ask for what is served",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.cluster.ServedKinds(t.Context(), tt.version)
			message := ""
			if err != nil {
				message = err.Error()
			}
			if diff := cmp.Diff(tt.wantErr, message); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("kinds (-want +got):\n%s", diff)
			}
		})
	}
}
