// SPDX-License-Identifier: Apache-2.0

package controlplane_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/controlplanetest"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

const timeout = time.Minute

func start(t *testing.T) *controlplane.ControlPlane {
	t.Helper()
	return controlplanetest.Start(t, controlplane.Options{})
}

func startWith(t *testing.T, tools controlplane.Tools) *controlplane.ControlPlane {
	t.Helper()
	return controlplanetest.Start(t, controlplane.Options{Tools: tools})
}

func startVelero(t *testing.T, cp *controlplane.ControlPlane) *controlplane.Velero {
	t.Helper()
	velero, err := cp.StartVelero(t.Context(), controlplane.VeleroOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return velero
}

func create(t *testing.T, cp *controlplane.ControlPlane, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := cp.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}

func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	if err := poll.Until(t.Context(), timeout, what, check); err != nil {
		t.Fatal(err)
	}
}

func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func TestControlPlane(t *testing.T) {
	t.Parallel()
	cp := start(t)

	t.Run("deletes a namespace with what is in it", func(t *testing.T) {
		t.Parallel()
		ns := namespace("deleted")
		config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "settings"}}
		create(t, cp, ns, config)
		if err := cp.Client.Delete(t.Context(), ns); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the namespace to be gone", func(ctx context.Context) error {
			return wantNotFound(cp.Client.Get(ctx, client.ObjectKeyFromObject(ns), ns))
		})
		if err := wantNotFound(cp.Client.Get(t.Context(), client.ObjectKeyFromObject(config), config)); err != nil {
			t.Error(err)
		}
	})

	t.Run("makes the pods of a deployment, which nothing runs", func(t *testing.T) {
		t.Parallel()
		ns := namespace("deployed")
		create(t, cp, ns, deployment(ns.Name))
		eventually(t, "pods", func(ctx context.Context) error {
			var pods corev1.PodList
			if err := cp.Client.List(ctx, &pods, client.InNamespace(ns.Name)); err != nil {
				return err
			}
			if len(pods.Items) != 2 {
				return fmt.Errorf("there are %d", len(pods.Items))
			}
			return nil
		})
	})

	t.Run("binds a claim to its volume", func(t *testing.T) {
		t.Parallel()
		ns := namespace("bound")
		volume, claim := volumeAndClaim(ns.Name)
		create(t, cp, ns, volume, claim)
		eventually(t, "the claim to be bound", func(ctx context.Context) error {
			if err := cp.Client.Get(ctx, client.ObjectKeyFromObject(claim), claim); err != nil {
				return err
			}
			if claim.Status.Phase != corev1.ClaimBound {
				return fmt.Errorf("it is %s", claim.Status.Phase)
			}
			return nil
		})
	})
}

func wantNotFound(err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	}
	return errors.New("it is still there")
}

func deployment(namespace string) *appsv1.Deployment {
	labels := map[string]string{"app": "web"}
	replicas := int32(2)
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web"}}},
			},
		},
	}
}

func volumeAndClaim(namespace string) (*corev1.PersistentVolume, *corev1.PersistentVolumeClaim) {
	class := ""
	size := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
	modes := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "data"},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:    size,
			AccessModes: modes,
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: "/nonexistent"},
			},
		},
	}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      modes,
			Resources:        corev1.VolumeResourceRequirements{Requests: size},
			StorageClassName: &class,
			VolumeName:       volume.Name,
		},
	}
	return volume, claim
}

func TestControlPlanesShareNothing(t *testing.T) {
	t.Parallel()
	first, second := start(t), start(t)
	create(t, first, namespace("only-in-the-first"))
	key := client.ObjectKey{Name: "only-in-the-first"}
	if err := wantNotFound(second.Client.Get(t.Context(), key, &corev1.Namespace{})); err != nil {
		t.Errorf("the namespace of the first control plane in the second: %v", err)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	create(t, second, namespace("after-the-first-has-stopped"))
}

func TestVelero(t *testing.T) {
	cp := start(t)
	velero := startVelero(t, cp)

	t.Run("a second server on the same control plane is refused", func(t *testing.T) {
		if _, err := cp.StartVelero(t.Context(), controlplane.VeleroOptions{}); err == nil {
			t.Error("got no error")
		}
	})

	t.Run("the CLI reaches the server", func(t *testing.T) {
		wantSameVersions(t, velero)
	})

	t.Run("an error of the CLI holds what it said", func(t *testing.T) {
		_, err := velero.CLI(t.Context(), "backup", "describe", "none")
		if err == nil || !strings.Contains(err.Error(), `backups.velero.io "none" not found`) {
			t.Errorf("got error %v, want the CLI's own", err)
		}
	})

	t.Run("the server's metrics are served", func(t *testing.T) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+velero.MetricsAddress+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("got status %s", response.Status)
		}
	})

	t.Run("a killed server starts again", func(t *testing.T) {
		before := velero.PID()
		if err := velero.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := velero.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if velero.PID() == before {
			t.Error("the server is the same process")
		}
		wantSameVersions(t, velero)
	})

	t.Run("the log holds the lives of both", func(t *testing.T) {
		logs, err := velero.Logs()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(logs, "Server starting..."); got != 2 {
			t.Errorf("got %d starts in the log, want 2", got)
		}
	})

	t.Run("nothing of a stopped server is left", func(t *testing.T) {
		if err := velero.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(velero.PID(), 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("signal to the stopped server: got error %v, want %v", err, syscall.ESRCH)
		}
		if err := velero.Stop(); err != nil {
			t.Errorf("stopping it again: %v", err)
		}
	})

	t.Run("another server can follow", func(t *testing.T) {
		wantSameVersions(t, startVelero(t, cp))
	})
}

func TestVeleroServersOfTwoControlPlanesRunSideBySide(t *testing.T) {
	tools := controlplanetest.FindTools(t)
	if !tools.VeleroMoves {
		t.Skip("skipped: VELERO_BIN names a server that binds a fixed port")
	}
	first, second := startVelero(t, startWith(t, tools)), startVelero(t, startWith(t, tools))
	wantSameVersions(t, first)
	wantSameVersions(t, second)
}

func TestAServerThatDoesNotMoveWaitsForAnotherToEnd(t *testing.T) {
	tools := controlplanetest.FindTools(t)
	tools.VeleroMoves = false // ours is upstream's then
	first := startVelero(t, startWith(t, tools))
	cp := startWith(t, tools)

	second := make(chan error, 1)
	go func() {
		_, err := cp.StartVelero(t.Context(), controlplane.VeleroOptions{})
		second <- err
	}()
	eventually(t, "the second installation", func(ctx context.Context) error {
		key := client.ObjectKey{Namespace: controlplane.VeleroNamespace, Name: "velero"}
		return cp.Client.Get(ctx, key, &appsv1.Deployment{})
	})
	select {
	case err := <-second:
		t.Fatalf("the second server did not wait: %v", err)
	default:
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := <-second; err != nil {
		t.Error(err)
	}
}

// wantSameVersions asks the CLI for both versions, its own and the server's.
func wantSameVersions(t *testing.T, velero *controlplane.Velero) {
	t.Helper()
	out, err := velero.CLI(t.Context(), "version")
	if err != nil {
		t.Fatal(err)
	}
	var versions []string
	for line := range strings.Lines(out) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), "Version: "); ok {
			versions = append(versions, version)
		}
	}
	if len(versions) != 2 || versions[0] != versions[1] {
		t.Errorf("got versions %q, want the client's and the same of the server, in:\n%s", versions, out)
	}
}

func TestStartTellsTheLastWordsOfAProgramThatEnds(t *testing.T) {
	t.Parallel()
	tools := controlplanetest.FindTools(t)
	tools.APIServer = tools.Etcd // it knows none of the flags
	_, err := controlplane.Start(t.Context(), controlplane.Options{Tools: tools})
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{"waiting for the kube-apiserver to be ready", "flag provided but not defined"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got error %q, want it to contain %q", err, want)
		}
	}
}

func TestStartSaysWhichProgramIsMissing(t *testing.T) {
	t.Parallel()
	_, err := controlplane.Start(t.Context(), controlplane.Options{
		Tools: controlplane.Tools{Etcd: "/nonexistent/etcd"}, Dir: t.TempDir(),
	})
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(fmt.Sprint(err), "starting etcd") {
		t.Errorf("got error %v, want one that names etcd", err)
	}
}

func TestNewSchemeKnowsVelero(t *testing.T) {
	t.Parallel()
	scheme, err := controlplane.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for kind := range scheme.AllKnownTypes() {
		got[kind.Group+"/"+kind.Kind] = true
	}
	want := []string{"velero.io/Backup", "velero.io/DataUpload", "apps/Deployment", "apiextensions.k8s.io/CustomResourceDefinition"}
	var missing []string
	for _, kind := range want {
		if !got[kind] {
			missing = append(missing, kind)
		}
	}
	if diff := cmp.Diff([]string(nil), missing); diff != "" {
		t.Errorf("kinds that are missing (-want +got):\n%s", diff)
	}
}
