// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/cloudsimtest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

func TestAClusterFollowsWhatHappens(t *testing.T) {
	t.Parallel()
	api := node.NewClient(fake.NewClientBuilder().WithScheme(newScheme(t)).Build(), time.Now)
	cluster, err := node.Start(t.Context(), api, node.Options{
		Cloud: cloudsimtest.Start(t, simulated), Account: account, Dir: t.TempDir(), ControllerManager: true, Nodes: []node.Config{{Name: first}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range []client.Object{
		class(t, `{provisioner: nasplugin.csi.alibabacloud.com, parameters: {server: "`+server+`:/k8s"}, volumeBindingMode: WaitForFirstConsumer}`),
		shopPod(t, ""), shopClaim("class-1", ""),
	} {
		if err := api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	pod := &corev1.Pod{}
	eventually(t, "the Pod runs", func(ctx context.Context) bool {
		err := api.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "web"}, pod)
		return err == nil && pod.Status.Phase == corev1.PodRunning
	})
	if err := api.Delete(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the Pod is gone", func(ctx context.Context) bool {
		return apierrors.IsNotFound(api.Get(ctx, client.ObjectKeyFromObject(pod), pod))
	})
	if err := cluster.Close(); err != nil {
		t.Error(err)
	}
}
