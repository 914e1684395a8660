// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	logtest "github.com/sirupsen/logrus/hooks/test"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

// rightToken stands for that which Cloud Backup has for this cluster.
const rightToken = "<the cluster's>"

// secretIn returns the client's Secret.
func secretIn(namespace string, data map[string]string) *corev1.Secret {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: Name}, Data: map[string][]byte{}}
	for key, value := range data {
		secret.Data[key] = []byte(value)
	}
	return secret
}

func restarting(secret *corev1.Secret) *corev1.Secret {
	secret.Annotations = map[string]string{restartAnnotation: "true"}
	return secret
}

func TestTheClientHasTheTokenOfItsCluster(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// namespace is where the client runs.
		namespace string
		secret    *corev1.Secret
		// want is the token in the Secret.
		want string
		// restarts says that the client's Pod was deleted, warns that the token is not right.
		restarts, warns bool
	}{
		{"no Secret", velero, nil, rightToken, true, false},
		{"a Secret without the key", velero, secretIn(velero, map[string]string{"other": "x"}), rightToken, true, false},
		{"an empty token", velero, secretIn(velero, map[string]string{TokenKey: ""}), rightToken, true, false},
		{"the right token", velero, secretIn(velero, map[string]string{TokenKey: rightToken}), rightToken, false, false},
		{"the token of another cluster", velero, secretIn(velero, map[string]string{TokenKey: "another"}), rightToken, true, false},
		{"the right token, written by a process that ended before it restarted the client", velero, restarting(secretIn(velero, map[string]string{TokenKey: rightToken})), rightToken, true, false},
		{"no Secret of the backup center", backupCenter, nil, rightToken, true, false},
		{"the token of another cluster in that of the backup center", backupCenter, secretIn(backupCenter, map[string]string{TokenKey: "another"}), "another", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cloud, sim := newRegistry(t)
			known, err := cloud.Register(t.Context(), "c-1")
			if err != nil {
				t.Fatal(err)
			}
			objects := []client.Object{clientIn(tt.namespace), clientPod(tt.namespace, time.Now())}
			if tt.secret != nil {
				if string(tt.secret.Data[TokenKey]) == rightToken {
					tt.secret.Data[TokenKey] = []byte(known.Token)
				}
				objects = append(objects, tt.secret)
			}
			w := newWorld(t, objects...)
			for range 2 {
				id, err := w.Registered(t.Context(), cloud, "c-1")
				if err != nil || id != known.ID {
					t.Fatalf("the cluster is %q, error %v, want %q", id, err, known.ID)
				}
			}
			if tt.want == rightToken {
				tt.want = known.Token
			}
			secret := get[corev1.Secret](t, w, tt.namespace, Name)
			if got := string(secret.Data[TokenKey]); got != tt.want || secret.Annotations[restartAnnotation] != "" {
				t.Errorf("the token is %q, annotations %v, want %q", got, secret.Annotations, tt.want)
			}
			if tt.restarts && tt.secret == nil && secret.Labels[velerov1.ExcludeFromBackupLabel] != "true" {
				t.Error("the Secret would be backed up")
			}
			if gone := get[corev1.Pod](t, w, tt.namespace, "hbr-client-x") == nil; gone != tt.restarts {
				t.Errorf("restarted: %v, want %v", gone, tt.restarts)
			}
			if warned := w.warnings() > 0; warned != tt.warns {
				t.Errorf("warned: %v, want %v", warned, tt.warns)
			}
			if cloud.calls != 2 {
				t.Errorf("the cluster was registered %d times besides, want once", cloud.calls-1)
			}
			if found := sim.HBR().Clusters(); len(found) != 1 {
				t.Errorf("clusters %+v, want one", found)
			}
		})
	}
}

func TestAClientThatIsNotInstalledRegistersNothing(t *testing.T) {
	t.Parallel()
	cloud, sim := newRegistry(t)
	w := newWorld(t)
	_, err := w.Registered(t.Context(), cloud, "c-1")
	const want = "the Cloud Backup client is not installed: no DaemonSet in the namespaces velero and csdr has the label app=hbr-client"
	if err == nil || err.Error() != want || !final.Is(err) {
		t.Errorf("error %v, want the final one %q", err, want)
	}
	if found := sim.HBR().Clusters(); len(found) != 0 {
		t.Errorf("clusters %+v, want none", found)
	}
}

// told is a Cloud Backup that answers one thing.
type told struct {
	registration Registration
	err          error
}

func (r told) Register(context.Context, string) (Registration, error) { return r.registration, r.err }

func TestWhatRegistersNothing(t *testing.T) {
	t.Parallel()
	broken := errors.New("the API server is gone")
	tests := []struct {
		name  string
		cloud told
		funcs interceptor.Funcs
		want  string
	}{
		{"Cloud Backup refuses", told{err: errors.New("no permission")}, interceptor.Funcs{}, "no permission"},
		{"Cloud Backup tells no token", told{registration: Registration{ID: "cc-1"}}, interceptor.Funcs{}, "did not tell the token"},
		{
			"the Secret cannot be read",
			told{registration: Registration{ID: "cc-1", Token: "t"}},
			interceptor.Funcs{Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
				return broken
			}},
			"reading the Secret velero/hbr-client: the API server is gone",
		},
		{
			"the Secret cannot be written",
			told{registration: Registration{ID: "cc-1", Token: "t"}},
			interceptor.Funcs{Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return broken }},
			"writing the Secret velero/hbr-client: the API server is gone",
		},
		{
			"Pods cannot be deleted",
			told{registration: Registration{ID: "cc-1", Token: "t"}},
			interceptor.Funcs{Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error { return broken }},
			"deleting the pod velero/hbr-client-x of the Cloud Backup client: the API server is gone",
		},
		{
			"the DaemonSet cannot be looked for",
			told{},
			interceptor.Funcs{List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return broken }},
			"looking for the Cloud Backup client in the namespace velero: the API server is gone",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, tt.funcs, clientIn(velero), clientPod(velero, time.Now()))
			id, err := w.Registered(t.Context(), tt.cloud, "c-1")
			if err == nil || !strings.Contains(err.Error(), tt.want) || id != "" || final.Is(err) {
				t.Errorf("cluster %q, error %v, want one that may pass: %s", id, err, tt.want)
			}
		})
	}
}

// TestTwoProcessesWriteTheSecret holds that the one that comes second goes on.
func TestTwoProcessesWriteTheSecret(t *testing.T) {
	t.Parallel()
	lost := false
	funcs := interceptor.Funcs{Create: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.CreateOption) error {
		if !lost {
			lost = true
			if err := api.Create(ctx, secretIn(velero, map[string]string{TokenKey: "t"}), options...); err != nil {
				return err
			}
			return apierrors.NewAlreadyExists(schema.GroupResource{Resource: "secrets"}, Name)
		}
		return api.Create(ctx, object, options...)
	}}
	w := newWorldWith(t, funcs, clientIn(velero))
	id, err := w.Registered(t.Context(), told{registration: Registration{ID: "cc-1", Token: "t"}}, "c-1")
	if err != nil || id != "cc-1" || !lost {
		t.Errorf("cluster %q, error %v", id, err)
	}
}

// TestAKilledProcessIsGoneOnWith holds that Pods are restarted though the process that
// wrote the token was killed before it came to that.
func TestAKilledProcessIsGoneOnWith(t *testing.T) {
	t.Parallel()
	killed := true
	funcs := interceptor.Funcs{Delete: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.DeleteOption) error {
		if killed {
			return context.Canceled
		}
		return api.Delete(ctx, object, options...)
	}}
	w := newWorldWith(t, funcs, clientIn(velero), clientPod(velero, time.Now()), secretIn(velero, map[string]string{TokenKey: "another"}))
	cloud := told{registration: Registration{ID: "cc-1", Token: "t"}}
	if _, err := w.Registered(t.Context(), cloud, "c-1"); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	killed = false
	if _, err := w.process().Registered(t.Context(), cloud, "c-1"); err != nil {
		t.Fatal(err)
	}
	if get[corev1.Pod](t, w, velero, "hbr-client-x") != nil {
		t.Error("the Pod with the token of another cluster goes on")
	}
	if diff := cmp.Diff(map[string]string(nil), get[corev1.Secret](t, w, velero, Name).Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

// TestTheClientComesUp holds that the client of deploy/hbr-client, which runs with the token
// of another cluster and is known nowhere, works after the cluster was registered.
func TestTheClientComesUp(t *testing.T) {
	t.Parallel()
	cloud, sim := newRegistry(t)
	w := newWorld(t)
	api := node.NewClient(w.api, time.Now)
	nodes, err := node.New(t.Context(), api, node.Options{
		Cloud: sim, Dir: t.TempDir(), ControllerManager: true, Nodes: []node.Config{{Name: "node-1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := nodes.Close(); err != nil {
			t.Error(err)
		}
	})
	log, _ := logtest.NewNullLogger()
	agents := New(log, cluster.New(api, velero))
	set := readManifest[appsv1.DaemonSet](t, "daemonset.yaml")
	for _, object := range []client.Object{&set, secretIn(velero, map[string]string{TokenKey: "another"})} {
		if err := api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	ready := func() string {
		t.Helper()
		waiting, err := agents.Ready(t.Context(), "node-1")
		if err := errors.Join(err, nodes.Settle(t.Context())); err != nil {
			t.Fatal(err)
		}
		return waiting
	}
	if got := []string{ready(), ready()}; got[0] == "" || got[1] != "" {
		t.Errorf("before: waiting for %q, want that the Pod runs", got)
	}
	if _, err := agents.Registered(t.Context(), cloud, "c-1"); err != nil {
		t.Fatal(err)
	}
	if found := sim.HBR().Clusters(); len(found) != 1 || found[0].AgentStatus != "MISS" {
		t.Errorf("before: clusters %+v, want one without a client", found)
	}
	if got := []string{ready(), ready()}; got[0] == "" || got[1] != "" {
		t.Errorf("after: waiting for %q, want that the Pod was restarted", got)
	}
	if found := sim.HBR().Clusters(); len(found) != 1 || found[0].AgentStatus != "READY" {
		t.Errorf("after: clusters %+v, want one with a client", found)
	}
}
