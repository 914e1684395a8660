// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"testing"
	"time"

	sdk "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/tea"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/alicloud"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/cloudsimtest"
)

const velero = "velero"

// world is a cluster with the node node-1, and what was logged.
type world struct {
	*Agents

	api    client.WithWatch
	logged *logtest.Hook
}

// newWorld returns a world that has the objects besides.
func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	return newWorldWith(t, interceptor.Funcs{}, objects...)
}

// newWorldWith returns a world whose API server answers by the functions.
func newWorldWith(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) *world {
	t.Helper()
	scheme, err := cluster.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	node := nodeNamed("node-1")
	w := &world{api: fake.NewClientBuilder().WithScheme(scheme).WithObjects(&node).WithObjects(objects...).WithInterceptorFuncs(funcs).Build()}
	w.Agents = w.process()
	return w
}

// process returns the Agents of another process, which knows nothing of the one before.
func (w *world) process() *Agents {
	log, logged := logtest.NewNullLogger()
	w.logged = logged
	return New(log, cluster.New(w.api, velero))
}

// get reads an object; nil if it is not there.
func get[T any, P interface {
	*T
	client.Object
}](t *testing.T, w *world, namespace, name string,
) P {
	t.Helper()
	object := P(new(T))
	err := w.api.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return object
}

func (w *world) warnings() int {
	found := 0
	for _, entry := range w.logged.AllEntries() {
		if entry.Level == logrus.WarnLevel {
			found++
		}
	}
	return found
}

// clientIn returns the DaemonSet of the client.
func clientIn(namespace string) *appsv1.DaemonSet {
	return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: Name, Labels: map[string]string{appLabel: Name}}}
}

// clientPod returns a Pod of the client on node-1 that was made at a time.
func clientPod(namespace string, made time.Time, changes ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: "hbr-client-x", UID: "uid-x", Labels: map[string]string{appLabel: Name}, CreationTimestamp: metav1.NewTime(made),
		},
		Spec:   corev1.PodSpec{NodeName: "node-1"},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	for _, change := range changes {
		change(pod)
	}
	return pod
}

func isReadyPod(pod *corev1.Pod) {
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}
}

// waits has the container of a Pod wait.
func waits(reason, message string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{
			Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message},
		}}}
	}
}

// registry registers at the simulated Cloud Backup.
type registry struct {
	api   *alicloud.HBR
	calls int
}

func (r *registry) Register(ctx context.Context, identifier string) (Registration, error) {
	r.calls++
	answer, err := r.api.AddContainerCluster(ctx, &sdk.AddContainerClusterRequest{
		Identifier: tea.String(identifier), Name: tea.String(identifier), ClusterType: tea.String("ACK"), NetworkType: tea.String("VPC"),
	})
	if err != nil {
		return Registration{}, err
	}
	return Registration{ID: tea.StringValue(answer.ClusterId), Token: tea.StringValue(answer.Token)}, nil
}

// simulated is a cloud with a user who may do everything.
const simulated = `
region: cn-hangzhou
accounts:
- id: "1000000000000001"
  users:
  - name: velero
    keys: [{id: LTAIvelero, secret: velero-secret}]
    policies: [{Version: "1", Statement: [{Effect: Allow, Action: "*", Resource: "*"}]}]
`

// newRegistry returns a simulated Cloud Backup.
func newRegistry(t *testing.T) (*registry, *cloudsim.Cloud) {
	t.Helper()
	sim := cloudsimtest.Start(t, simulated)
	connections, err := sim.HTTPClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(connections.CloseIdleConnections)
	log, _ := logtest.NewNullLogger()
	environment := map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": "LTAIvelero", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "velero-secret"}
	clients := alicloud.New(alicloud.Environment{Getenv: func(name string) string { return environment[name] }, Log: log, RPC: connections})
	api, err := clients.HBR(t.Context(), alicloud.HBRConfig{Region: "cn-hangzhou", NotOnECS: true})
	if err != nil {
		t.Fatal(err)
	}
	return &registry{api: api}, sim
}
