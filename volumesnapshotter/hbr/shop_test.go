// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

// bothPolicies is what a location needs that leaves the method to the plugin.
const bothPolicies = "../../deploy/ram/hbr.json"

// shop is a world with a node, in which an application has a volume of NAS.
type shop struct {
	*world

	nodes *node.Cluster
	pv    *corev1.PersistentVolume
}

// pollAfter is how much time passes between two polls of Velero.
const pollAfter = 30 * time.Second

// maxPolls is how often Velero polls until something has ended.
const maxPolls = 12

// newShop returns a shop whose location has more config, with the policy bothPolicies and
// without the Cloud Backup client.
func newShop(t *testing.T, more map[string]string) *shop {
	t.Helper()
	config := map[string]string{"podImage": "velero-plugin-alibabacloud"}
	maps.Copy(config, more)
	s := &shop{world: newWorld(t, config, withPolicy(t, bothPolicies), func(c *cloudsim.Config) { c.Accounts[0].OwnerKey = nil })}
	bare, ok := s.api.(client.WithWatch)
	if !ok {
		t.Fatalf("a client of the type %T cannot watch", s.api)
	}
	api := node.NewClient(bare, s.time.Now)
	s.api = api
	var err error
	s.nodes, err = node.New(t.Context(), api, node.Options{
		Cloud: s.sim, Account: "1000000000000001", Dir: t.TempDir(), ControllerManager: true, Now: s.time.Now,
		Nodes: []node.Config{{Name: "node-1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.nodes.Close(); err != nil {
			t.Error(err)
		}
	})
	s.pv = nasDirectory("nas-1", "/app")
	s.pv.Spec.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("20Gi")}
	s.pv.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
	s.pv.Spec.StorageClassName = "shop-nas"
	s.pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "shop", Name: "data"}
	s.fill(t, "app")
	s.Snapshotter = s.process(t)
	return s
}

// install installs the Cloud Backup client as deploy/hbr-client has it, but for changes.
func (s *shop) install(t *testing.T, changes ...func(*appsv1.DaemonSet)) {
	t.Helper()
	content, err := os.ReadFile("../../deploy/hbr-client/daemonset.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set := &appsv1.DaemonSet{}
	if err := yaml.UnmarshalStrict(content, set); err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		change(set)
	}
	s.create(t, set)
}

// open adds the volume and its claim to the cluster.
func (s *shop) open(t *testing.T) {
	t.Helper()
	s.create(t, s.pv, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "data"},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &s.pv.Spec.StorageClassName, VolumeName: s.pv.Name, AccessModes: s.pv.Spec.AccessModes,
			VolumeMode: s.pv.Spec.VolumeMode,
			Resources:  corev1.VolumeResourceRequirements{Requests: s.pv.Spec.Capacity},
		},
	})
	s.settle(t)
}

// serve lets the application's Pod run, which mounts the volume.
func (s *shop) serve(t *testing.T) {
	t.Helper()
	s.create(t, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "web", Image: "web", VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}}},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
			}}},
		},
	})
	s.settle(t)
}

// settle lets happen in the cluster what is to happen.
func (s *shop) settle(t *testing.T) {
	t.Helper()
	if err := s.nodes.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// pass lets time pass until Velero's next poll.
func (s *shop) pass(t *testing.T) {
	t.Helper()
	s.settle(t)
	if err := s.time.Sleep(t.Context(), pollAfter); err != nil {
		t.Fatal(err)
	}
	s.settle(t)
}

// poll asks until something has ended, and returns its error; at each time asked is
// called anew. An error that may pass does not end it.
func (s *shop) poll(t *testing.T, ask func() (velero.OperationProgress, error)) string {
	t.Helper()
	var last error
	for range maxPolls {
		progress, err := ask()
		if last = err; err == nil && progress.Completed {
			s.settle(t)
			return progress.Err
		}
		if err == nil {
			last = errors.New(progress.Description)
		}
		s.pass(t)
	}
	t.Fatalf("it has not ended after %d polls: %v", maxPolls, last)
	return ""
}

// temporaries returns what is in the cluster for jobs alone.
func (s *shop) temporaries(t *testing.T) []client.Object {
	t.Helper()
	var found []client.Object
	for _, list := range []client.ObjectList{&corev1.PodList{}, &corev1.PersistentVolumeClaimList{}, &corev1.PersistentVolumeList{}} {
		if err := s.api.List(t.Context(), list, client.HasLabels{"alibabacloud.com/hbr-run"}); err != nil {
			t.Fatal(err)
		}
		objects, err := meta.ExtractList(list)
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range objects {
			found = append(found, object.(client.Object)) //nolint:forcetypeassert // What a client lists are objects.
		}
	}
	return found
}

// temporary names what is in the cluster for jobs alone.
func (s *shop) temporary(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, object := range s.temporaries(t) {
		names = append(names, fmt.Sprintf("%T %s", object, object.GetName()))
	}
	return names
}

// said returns what was logged at a level, with the errors, as one text.
func (s *shop) said(level logrus.Level) string { return strings.Join(s.messages(level), "\n") }

// end puts the backup b-1 and the restore r-1 into a phase in which they have ended.
func (s *shop) end(t *testing.T) {
	t.Helper()
	for _, object := range []client.Object{backupNamed("b-1", ""), theRestore()} {
		if err := s.api.Delete(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	ended := theRestore()
	ended.Status.Phase = velerov1.RestorePhasePartiallyFailed
	s.create(t, backupNamed("b-1", velerov1.BackupPhasePartiallyFailed), ended)
}
