// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/cloudsimtest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/controlplanetest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

// newRealWorld is a world whose API server and kube-controller-manager are real, and which goes on by itself.
func newRealWorld(t *testing.T) *world {
	t.Helper()
	cp := controlplanetest.Start(t, controlplane.Options{})
	w := &world{api: cp.Client, cloud: cloudsimtest.Start(t, simulated)}
	var err error
	w.Cluster, err = node.Start(t.Context(), cp.Client, node.Options{
		Cloud: w.cloud, Account: account, Dir: t.TempDir(), Namespaces: []string{namespace},
		Nodes: []node.Config{
			{Name: first, Zone: "cn-hangzhou-h", Labels: map[string]string{enabled: "true"}}, {Name: second, Zone: "cn-hangzhou-i"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return w
}

// TestARealControlPlane is the whole life of a volume where kube-controller-manager binds claims and makes the Pods of
// DaemonSets.
func TestARealControlPlane(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t)
	eventuallyExists := func(object client.Object, what string, done func() bool) {
		t.Helper()
		eventually(t, what, func(ctx context.Context) bool {
			err := w.api.Get(ctx, client.ObjectKeyFromObject(object), object)
			return err == nil && done()
		})
	}
	pod, claim := shopPod(t, ""), shopClaim("class-1", "")
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		&schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "velero-hbr"}, Value: -1000},
		class(t, `{provisioner: diskplugin.csi.alibabacloud.com, parameters: {type: cloud_essd}, volumeBindingMode: WaitForFirstConsumer}`),
		clientSet(t), token("token-1"), claim,
	} {
		if err := w.api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	eventuallyExists(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "default"}},
		"the namespace is ready", func() bool { return true })
	if err := w.api.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	eventuallyExists(pod, "the Pod runs", func() bool { return pod.Status.Phase == corev1.PodRunning })
	eventually(t, "the client runs", func(context.Context) bool { return w.cloud.HBR().Clusters()[0].AgentStatus == "READY" })

	eventuallyExists(claim, "the claim is bound", func() bool { return claim.Status.Phase == corev1.ClaimBound })
	below := "kubernetes.io~csi/" + claim.Spec.VolumeName + "/mount"
	dir := w.mountOf(t, pod, below)
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	equal(t, "the job", w.backUp(t, string(pod.UID)+"/volumes/"+below), "COMPLETE")

	for _, object := range []client.Object{pod, claim} {
		if err := w.api.Delete(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: claim.Spec.VolumeName}}
	eventually(t, "the volume is gone", func(ctx context.Context) bool {
		return apierrors.IsNotFound(w.api.Get(ctx, client.ObjectKeyFromObject(volume), volume))
	})
	if left := w.cloud.ECS().Disks(); len(left) != 1 {
		t.Errorf("the disks that are left: %v", left)
	}
}
