// SPDX-License-Identifier: Apache-2.0

package mount

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/final"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/volumesnapshotter/hbr/agent"
)

func TestAVolumeThatNoPodMounts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, pv string
		// files says that the volume has some.
		files bool
	}{
		{"NAS", nasVolume, true},
		{"NAS by FlexVolume", nasFlexVolume, true},
		{"NAS in-tree", nasInTree, true},
		{"a disk", diskVolume, true},
		{"a disk by FlexVolume", diskFlexVolume, true},
		{"NFS", nfsVolume, false},
		{"another CSI driver", otherCSI, false},
		{"a directory of a node", localVolume, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			pv := sized(t, "pv-1", tt.pv)
			w.create(t, pv)
			owner := ownerNamed("abc12345")
			at := w.mounted(t, owner, pv, agent.Search{Policy: agent.Exclude})
			if _, err := w.nodes.Files(at.Node).Resolve(at.Directory); at.Node != "node-1" || err != nil {
				t.Errorf("place %+v, error %v", at, err)
			}
			if got := w.content(t, at); (got == orders) != tt.files {
				t.Errorf("orders.csv has %q", got)
			}
			waiting, err := w.Unmount(t.Context(), owner)
			if err != nil || waiting != "the pod velero/velero-hbr-abc12345 to be gone" {
				t.Errorf("waiting for %q, error %v", waiting, err)
			}
			w.settle(t)
			if waiting, err := w.Unmount(t.Context(), owner); err != nil || waiting != "" {
				t.Errorf("waiting for %q, error %v, want nothing", waiting, err)
			}
			for range 2 {
				if err := w.Remove(t.Context(), owner); err != nil {
					t.Error(err)
				}
				w.settle(t)
			}
			if diff := cmp.Diff([]string{"volume pv-1"}, w.left(t)); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTheTemporaryObjects holds all of what is made to mount a volume.
func TestTheTemporaryObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pv := sized(t, "pv-1", nasVolume)
	pv.Annotations = map[string]string{corev1.MountOptionAnnotation: "vers=4", "other": "x"}
	pv.Labels = map[string]string{"app": "shop"}
	pv.Spec.StorageClassName, pv.Spec.PersistentVolumeReclaimPolicy = "nas", corev1.PersistentVolumeReclaimDelete
	pv.Spec.MountOptions = []string{"nolock"}
	pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "shop", Name: "data", UID: "uid-data"}
	owner := ownerNamed("abc12345")
	if _, waiting, err := w.Mount(t.Context(), owner, pv, agent.Search{Policy: agent.Prefer}); err != nil || waiting != "the pod velero/velero-hbr-abc12345 to be scheduled" {
		t.Fatalf("waiting for %q, error %v", waiting, err)
	}
	labels := map[string]string{"velero.io/exclude-from-backup": "true", "alibabacloud.com/hbr": "backup", "alibabacloud.com/hbr-run": "uid-b-1"}
	volatile := cmpopts.IgnoreFields(metav1.ObjectMeta{}, "UID", "CreationTimestamp", "ResourceVersion", "Finalizers", "Annotations")

	wantVolume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "velero-hbr-abc12345", Labels: labels},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: pv.Spec.Capacity, AccessModes: pv.Spec.AccessModes, MountOptions: []string{"nolock"},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			ClaimRef:                      &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: velero, Name: "velero-hbr-abc12345"},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: "nasplugin.csi.alibabacloud.com", VolumeHandle: "velero-hbr-abc12345",
				VolumeAttributes: map[string]string{"server": server, "path": "/shop"},
			}},
		},
	}
	volume := get[corev1.PersistentVolume](t, w, "", owner.name())
	if diff := cmp.Diff(wantVolume, volume, volatile); diff != "" {
		t.Errorf("volume (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{corev1.MountOptionAnnotation: "vers=4"}, volume.Annotations); diff != "" {
		t.Errorf("the volume's annotations (-want +got):\n%s", diff)
	}
	wantClaim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: velero, Name: "velero-hbr-abc12345", Labels: labels},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: pv.Spec.AccessModes, Resources: corev1.VolumeResourceRequirements{Requests: pv.Spec.Capacity},
			StorageClassName: new(""), VolumeName: "velero-hbr-abc12345",
		},
	}
	if diff := cmp.Diff(wantClaim, get[corev1.PersistentVolumeClaim](t, w, velero, owner.name()), volatile); diff != "" {
		t.Errorf("claim (-want +got):\n%s", diff)
	}
	wantPod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: velero, Name: "velero-hbr-abc12345", Labels: labels}}
	if err := yaml.UnmarshalStrict([]byte(thePod), &wantPod.Spec); err != nil {
		t.Fatal(err)
	}
	pod := get[corev1.Pod](t, w, velero, owner.name())
	if diff := cmp.Diff(wantPod, pod, volatile); diff != "" {
		t.Errorf("Pod (-want +got):\n%s", diff)
	}
	if begun := since(pod); time.Since(begun) > time.Minute || time.Since(begun) < 0 {
		t.Errorf("the Pod is waited for since %s", begun)
	}
}

// thePod is the spec of a Pod that mounts a volume for a backup.
const thePod = `
containers:
- name: idle
  image: registry.example.com/backup/velero-plugin-alibabacloud:v1
  command: [/velero-plugin-alibabacloud, idle]
  resources: {requests: {cpu: 1m, memory: 16Mi}, limits: {memory: 128Mi}}
  volumeMounts: [{name: volume, mountPath: /volume, readOnly: true}]
  securityContext:
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL]}
volumes: [{name: volume, persistentVolumeClaim: {claimName: velero-hbr-abc12345}}]
securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
restartPolicy: Never
terminationGracePeriodSeconds: 5
automountServiceAccountToken: false
enableServiceLinks: false
imagePullSecrets: [{name: pull}]
priorityClassName: velero-hbr
tolerations: [{operator: Exists}]
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
      - matchFields: [{key: metadata.name, operator: In, values: [node-1]}]
      - matchFields: [{key: metadata.name, operator: In, values: [node-2]}]
    preferredDuringSchedulingIgnoredDuringExecution:
    - {weight: 100, preference: {matchExpressions: [{key: csdr.alibabacloud.com/agent-included, operator: In, values: ["true"]}]}}
    - {weight: 10, preference: {matchExpressions: [{key: csdr.alibabacloud.com/agent-excluded, operator: NotIn, values: ["true"]}]}}
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
    - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {alibabacloud.com/hbr-run: uid-b-1}}}
`

func TestARestoreWritesIntoItsVolume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	owner := Owner{Kind: Restore, Run: "uid-r-1", Mark: "abc12345"}
	w.mounted(t, owner, sized(t, "pv-1", nasVolume), agent.Search{})
	if pod := get[corev1.Pod](t, w, velero, owner.name()); pod.Spec.Containers[0].VolumeMounts[0].ReadOnly {
		t.Error("the volume is mounted to be read alone")
	}
}

// TestThePriorityClassIsThatOfTheClient holds that it does not matter who makes it first.
func TestThePriorityClassIsThatOfTheClient(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../../deploy/hbr-client/priorityclass.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := &schedulingv1.PriorityClass{}
	if err := yaml.UnmarshalStrict(content, want); err != nil {
		t.Fatal(err)
	}
	want.TypeMeta = metav1.TypeMeta{}
	w := newWorld(t)
	w.mounted(t, ownerNamed("abc12345"), sized(t, "pv-1", nasVolume), agent.Search{})
	w.mounted(t, ownerNamed("def12345"), sized(t, "pv-1", nasVolume), agent.Search{})
	got := get[schedulingv1.PriorityClass](t, w, "", agent.PriorityClass)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(metav1.ObjectMeta{}, "UID", "CreationTimestamp", "ResourceVersion")); diff != "" {
		t.Errorf("PriorityClass (-manifest +made):\n%s", diff)
	}
}

func TestWhatCannotBeMounted(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, pv string
		want     string
	}{
		{"a block device", blockVolume, "the volume pv-1 is a block device"},
		{"a plug-in that is not known", inTreeDisk, "the volume pv-1: its plug-in has no directory that is known"},
		{"a directory that the client does not see", `spec: {hostPath: {path: /etc}}`, "the volume pv-1: the Cloud Backup client does not see the directory /etc (config key hostPathRoot)"},
		{"a socket", `spec: {hostPath: {path: /data/x, type: Socket}}`, "the volume pv-1: the Cloud Backup client does not see the directory /data/x (config key hostPathRoot)"},
		{"a directory of whichever node", hostPathVolume, "no pod mounts the hostPath volume pv-1, and its node affinity does not tell on which node it is"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			_, waiting, err := w.Mount(t.Context(), ownerNamed("abc12345"), sized(t, "pv-1", tt.pv), agent.Search{})
			if waiting != "" || err == nil || err.Error() != tt.want || !final.Is(err) {
				t.Errorf("waiting for %q, error %v, want the final one %q", waiting, err, tt.want)
			}
			if left := w.left(t); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestADirectoryOfANode(t *testing.T) {
	t.Parallel()
	const known = `spec: {hostPath: {path: /data/shop}, nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-2]}]}]}}}`
	w := newWorld(t)
	want := Place{Node: "node-2", Directory: "/data/shop"}
	if diff := cmp.Diff(want, w.mounted(t, ownerNamed("abc12345"), sized(t, "pv-1", known), agent.Search{})); diff != "" {
		t.Errorf("where its affinity says (-want +got):\n%s", diff)
	}
	w = newWorld(t, node.Config{Name: "node-2"})
	if diff := cmp.Diff(want, w.mounted(t, ownerNamed("abc12345"), sized(t, "pv-1", hostPathVolume), agent.Search{})); diff != "" {
		t.Errorf("where there is one node alone (-want +got):\n%s", diff)
	}
}

// TestMountAfterAKill ends the process after each of the calls that change something, and
// has another one go on.
func TestMountAfterAKill(t *testing.T) {
	t.Parallel()
	sim := newCloud(t)
	for kill := 1; ; kill++ {
		w := newWorldIn(t, sim)
		pv := sized(t, "pv-1", nasVolume)
		w.create(t, pv)
		done := w.killAt(kill)
		owner := ownerNamed("abc12345")
		_, _, err := w.Mount(t.Context(), owner, pv, agent.Search{})
		if err == nil && !done() {
			break
		}
		if !errors.Is(err, errKilled) {
			t.Errorf("killed at %d: error %v", kill, err)
		}
		w.deny, w.Mounts = nil, w.process(w.config)
		if at := w.mounted(t, owner, pv, agent.Search{}); w.content(t, at) != orders {
			t.Errorf("killed at %d: nothing is at %+v", kill, at)
		}
		want := []string{"Pod velero-hbr-abc12345", "claim velero-hbr-abc12345", "volume pv-1", "volume velero-hbr-abc12345"}
		if diff := cmp.Diff(want, w.left(t)); diff != "" {
			t.Errorf("killed at %d: there is (-want +got):\n%s", kill, diff)
		}
		if kill > 20 {
			t.Fatal("there are too many calls")
		}
	}
}

var errKilled = errors.New("killed")

// killAt has the n-th call that changes something, and all after it, not be made. The
// function that it returns tells whether it has come to that.
func (w *world) killAt(n int) (killed func() bool) {
	calls := 0
	w.deny = func(verb string, _ any) error {
		if verb != "get" && verb != "list" {
			calls++
		}
		if calls >= n {
			return errKilled
		}
		return nil
	}
	return func() bool { return calls >= n }
}

// TestTheAPIServerFails has each call of all be refused, and holds that it is told and
// that the next attempt goes on.
func TestTheAPIServerFails(t *testing.T) {
	t.Parallel()
	gone := errors.New("the API server is gone")
	owner := ownerNamed("abc12345")
	steps := map[string]func(*testing.T, *world) error{
		"mounting": func(t *testing.T, w *world) error {
			t.Helper()
			_, _, err := w.Mount(t.Context(), owner, sized(t, "pv-1", nasVolume), agent.Search{})
			w.settle(t)
			return err
		},
		"provisioning": func(t *testing.T, w *world) error {
			t.Helper()
			_, _, err := w.Provision(t.Context(), owner, ofClass("waiting", true), agent.Search{})
			w.settle(t)
			return err
		},
		"finding Pods": func(t *testing.T, w *world) error {
			t.Helper()
			pv := sized(t, "pv-1", nasVolume)
			pv.Spec.ClaimRef = &corev1.ObjectReference{Namespace: velero, Name: owner.name()}
			pv.Name = owner.name()
			_, err := w.Mounted(t.Context(), pv)
			return err
		},
		"keeping": func(t *testing.T, w *world) error {
			t.Helper()
			_, err := w.Keep(t.Context(), owner)
			return err
		},
		"unmounting": func(t *testing.T, w *world) error {
			t.Helper()
			_, err := w.Unmount(t.Context(), owner)
			return err
		},
		"removing": func(t *testing.T, w *world) error { t.Helper(); return w.Remove(t.Context(), owner) },
		"sweeping": func(t *testing.T, w *world) error {
			t.Helper()
			return w.Sweep(t.Context(), noneLive)
		},
	}
	tests := []struct{ step, before string }{
		{step: "mounting"},
		{step: "provisioning"},
		{step: "provisioning", before: "provisioning"},
		{"finding Pods", "mounting"},
		{"keeping", "provisioning"},
		{"unmounting", "mounting"},
		{"removing", "provisioning"},
		{"removing", "mounting"},
		{"sweeping", "mounting"},
	}
	for _, tt := range tests {
		t.Run(tt.step+" after "+tt.before, func(t *testing.T) {
			t.Parallel()
			sim := newCloud(t)
			for fail := 1; ; fail++ {
				w := newWorldIn(t, sim)
				for range 2 {
					if prepare := steps[tt.before]; prepare != nil {
						if err := prepare(t, w); err != nil {
							t.Fatal(err)
						}
					}
				}
				calls := 0
				w.deny = func(string, any) error {
					if calls++; calls == fail {
						return gone
					}
					return nil
				}
				err := steps[tt.step](t, w)
				if calls < fail {
					return
				}
				if !errors.Is(err, gone) || final.Is(err) {
					t.Errorf("call %d: error %v, want one that may pass", fail, err)
				}
				w.deny = nil
				if err := steps[tt.step](t, w); err != nil {
					t.Errorf("after call %d: %v", fail, err)
				}
			}
		})
	}
}
