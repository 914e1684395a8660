// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/controlplanetest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger"
)

func options() ledger.Options {
	return ledger.Options{
		Namespace: "shop", Image: "ledger:dev", NodePort: 30123,
		ServiceAnnotations: map[string]string{"service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id": "lb-1"},
		LoadBalancerClass:  "alibabacloud.com/nlb",
		Volumes: []ledger.Volume{
			{Name: "disk", StorageClass: "alicloud-disk-essd", AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}},
			{
				Name: "nas", StorageClass: "alibabacloud-cnfs-nas", AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany},
				Size: "50Gi", Labels: map[string]string{"backup": "data"},
			},
		},
	}
}

// TestAnAPIServerTakesTheObjects holds that all are valid, and that the Pod is one that the restricted Pod Security Standard
// allows: kube-controller-manager makes it and its claims.
func TestAnAPIServerTakesTheObjects(t *testing.T) {
	t.Parallel()
	cp := controlplanetest.Start(t, controlplane.Options{})
	for _, object := range ledger.Objects(options()) {
		if err := cp.Client.Create(t.Context(), object); err != nil {
			t.Fatalf("%T: %v", object, err)
		}
	}
	pod := &corev1.Pod{}
	if err := poll.Until(t.Context(), time.Minute, "the Pod", func(ctx context.Context) error {
		err := cp.Client.Get(ctx, client.ObjectKey{Namespace: "shop", Name: "ledger-0"}, pod)
		if err != nil {
			var events corev1.EventList
			_ = cp.Client.List(ctx, &events, client.InNamespace("shop")) // The error of the Pod is what counts.
			for i := range events.Items {
				err = fmt.Errorf("%w; %s", err, events.Items[i].Message)
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	claims := map[string]map[string]string{}
	for _, name := range []string{"disk-ledger-0", "nas-ledger-0"} {
		claim := &corev1.PersistentVolumeClaim{}
		if err := cp.Client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, claim); err != nil {
			t.Fatal(err)
		}
		claims[*claim.Spec.StorageClassName+" "+string(claim.Spec.AccessModes[0])+" "+claim.Spec.Resources.Requests.Storage().String()] = claim.Labels
	}
	const app = "app.kubernetes.io/name"
	want := map[string]map[string]string{
		"alicloud-disk-essd ReadWriteOnce 20Gi":    {app: ledger.Name},
		"alibabacloud-cnfs-nas ReadWriteMany 50Gi": {app: ledger.Name, "backup": "data"},
	}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	mounts := map[string]string{}
	for _, m := range pod.Spec.Containers[0].VolumeMounts {
		mounts[m.Name] = m.MountPath
	}
	if diff := cmp.Diff(map[string]string{"disk": "/disk", "nas": "/nas", "secret": "/etc/ledger"}, mounts); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
	service := &corev1.Service{}
	if err := cp.Client.Get(t.Context(), client.ObjectKey{Namespace: "shop", Name: ledger.NodePortName}, service); err != nil {
		t.Fatal(err)
	}
	if got := service.Spec.Ports[0].NodePort; got != 30123 {
		t.Errorf("the node port is %d", got)
	}
}
