// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	openapiutil "github.com/alibabacloud-go/darabonba-openapi/v2/utils"
	hbr "github.com/alibabacloud-go/hbr-20170908/v2/client"
	"github.com/alibabacloud-go/tea/dara"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/node"
)

const enabled = "csdr.alibabacloud.com/agent-enable"

// clientSet is the DaemonSet that users install, in the namespace shop.
func clientSet(t *testing.T) *appsv1.DaemonSet {
	t.Helper()
	text, err := os.ReadFile("../../deploy/hbr-client/daemonset.yaml")
	if err != nil {
		t.Fatal(err)
	}
	set := parse[appsv1.DaemonSet](t, string(text))
	set.Namespace = namespace
	return set
}

func token(value string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "hbr-client"}, Data: map[string][]byte{"HBR_TOKEN": []byte(value)},
	}
}

// clientPod returns the Pod of the client, nil if there is none.
func clientPod(t *testing.T, w *world) *corev1.Pod {
	t.Helper()
	var pods corev1.PodList
	if err := w.api.List(t.Context(), &pods, client.MatchingLabels{"app": "hbr-client"}); err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) == 0 {
		return nil
	}
	return &pods.Items[0]
}

// enabledNode is node-1 with the label.
func enabledNode(config node.Config) func(*node.Options) {
	config.Name, config.Labels = first, map[string]string{enabled: "true"}
	return func(o *node.Options) { o.Nodes[0] = config }
}

// transmitter sends the requests of the SDK, whose own HTTP client may not be used by two goroutines at once.
type transmitter struct{}

// Call implements dara.HttpClient.
func (transmitter) Call(request *http.Request, transport *http.Transport) (*http.Response, error) {
	transport.DisableKeepAlives = true
	return (&http.Client{Transport: transport}).Do(request)
}

// backUp backs a directory of node-1 up, and returns the status and the message of the job.
func (w *world) backUp(t *testing.T, hostPrefix string) string {
	t.Helper()
	api, err := hbr.NewClient(&openapiutil.Config{
		Endpoint: dara.String(strings.TrimPrefix(w.cloud.RPCURL(), "http://")), Protocol: dara.String("HTTP"),
		RegionId: dara.String("cn-hangzhou"), AccessKeyId: dara.String("LTAIowner"), AccessKeySecret: dara.String("owner-secret"),
		HttpClient: transmitter{},
	})
	if err != nil {
		t.Fatal(err)
	}
	resources, err := json.Marshal([]map[string]string{{
		"resourceType": "PV", "backupMethod": "FILE", "resourceId": "uid", "resourceInfo": "{}", "host": first, "hostPrefix": hostPrefix, "pvPath": "/",
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = api.CreateBackupJob(&hbr.CreateBackupJobRequest{
		SourceType: dara.String("CONTAINER"), VaultId: dara.String("v-1"), JobName: dara.String("b-1-hbr"),
		ContainerClusterId: dara.String("cc-1"), ContainerResources: dara.String(string(resources)),
	})
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := w.cloud.HBR().BackupJobs()
	if err != nil {
		t.Fatal(err)
	}
	last := jobs[len(jobs)-1]
	return strings.TrimSpace(last.Status + " " + last.Message)
}

func TestTheClientBacksUpWhatAPodMounts(t *testing.T) {
	t.Parallel()
	kubelet := node.Config{KubeletRoot: "/data/kubelet"}
	linked := node.Config{Links: map[string]string{"/var/lib/kubelet": "/data/kubelet"}}
	tests := []struct {
		name   string
		node   node.Config
		change func(*appsv1.DaemonSet)
		prefix string
		want   string
	}{
		{"a kubelet as it is by default", node.Config{}, nil, "", "COMPLETE"},
		{"a kubelet with another root, which the client does not mount", kubelet, nil, "../../../../data/kubelet/pods/", "FAILED ClientNotExist"},
		{"a kubelet with another root, which the client mounts", kubelet, func(d *appsv1.DaemonSet) {
			d.Spec.Template.Spec.Volumes[0].HostPath.Path = "/data/kubelet"
			d.Spec.Template.Spec.Containers[0].VolumeMounts[0].MountPath = "/data/kubelet"
		}, "../../../../data/kubelet/pods/", "COMPLETE"},
		{"a root that is a symbolic link, by its own name", linked, nil, "", "COMPLETE"},
		{"a root that is a symbolic link, by its target", linked, nil, "../../../../data/kubelet/pods/", "FAILED SOURCE_NOT_EXIST"},
		{"a client whose mounts do not propagate", node.Config{}, func(d *appsv1.DaemonSet) {
			d.Spec.Template.Spec.Containers[0].VolumeMounts[0].MountPropagation = nil
		}, "", "COMPLETE"},
		{"a client that mounts nothing", node.Config{}, func(d *appsv1.DaemonSet) {
			d.Spec.Template.Spec.Containers[0].VolumeMounts = nil
		}, "", "FAILED SOURCE_NOT_EXIST"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, enabledNode(tt.node))
			set := clientSet(t)
			if tt.change != nil {
				tt.change(set)
			}
			w.apply(t, set, token("token-1"))
			w.apply(t,
				pv(t, "pv-1", `csi: {driver: nasplugin.csi.alibabacloud.com, volumeHandle: h, volumeAttributes: {server: "`+server+`", path: /shop}}`),
				shopClaim("", "pv-1"), shopPod(t, ""))
			pod := get[corev1.Pod](t, w, namespace, "web")
			got := w.backUp(t, tt.prefix+string(pod.UID)+"/volumes/kubernetes.io~csi/pv-1/mount")
			equal(t, "the job", got, tt.want)
			if tt.want != "COMPLETE" || tt.name == "a client whose mounts do not propagate" {
				return
			}
			snapshots, err := w.cloud.HBR().Snapshots()
			if err != nil {
				t.Fatal(err)
			}
			dir, err := w.cloud.HBR().SnapshotDir(snapshots[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "the snapshot", files(t, dir), map[string]string{"orders.csv": "1,tea"})
		})
	}
}

func TestTheClientComesAndGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	status := func() string { return w.cloud.HBR().Clusters()[0].AgentStatus }
	waits := func() string {
		t.Helper()
		pod := clientPod(t, w)
		if pod == nil {
			return "no Pod"
		}
		if state := pod.Status.ContainerStatuses[0].State.Waiting; state != nil {
			return state.Reason + ": " + state.Message
		}
		return string(pod.Status.Phase) + " on " + pod.Spec.NodeName
	}
	var got []string
	step := func(change func() error) {
		t.Helper()
		if err := errors.Join(change(), w.Settle(t.Context())); err != nil {
			t.Fatal(err)
		}
		got = append(got, waits()+", "+status())
	}
	label := func(value string) func() error {
		return func() error {
			object := get[corev1.Node](t, w, "", second)
			before := object.DeepCopy()
			object.Labels[enabled] = value
			return w.api.Patch(t.Context(), object, client.MergeFrom(before))
		}
	}
	step(func() error { return w.api.Create(t.Context(), clientSet(t)) })
	step(label("true"))
	secret := token("token of another cluster")
	secret.Data = map[string][]byte{"token": nil}
	step(func() error { return w.api.Create(t.Context(), secret) })
	secret.Data = token("token of another cluster").Data
	step(func() error { return w.api.Update(t.Context(), secret) })
	secret.Data = token("token-1").Data
	step(func() error { return w.api.Update(t.Context(), secret) })
	step(func() error { return w.api.Delete(t.Context(), clientPod(t, w)) })
	w.SetFaults(node.Faults{Crash: func(*corev1.Pod) error { return errors.New("no license") }})
	step(func() error { return nil })
	w.SetFaults(node.Faults{Pull: func(image string) error { return errors.New(image + " is not there") }})
	step(func() error { return w.api.Delete(t.Context(), clientPod(t, w)) })
	w.SetFaults(node.Faults{})
	step(func() error { return nil })
	step(label("false"))
	equal(t, "the client", got, []string{
		"no Pod, MISS",
		`CreateContainerConfigError: secret "hbr-client" not found, MISS`,
		"CreateContainerConfigError: couldn't find key HBR_TOKEN in Secret shop/hbr-client, MISS",
		"Running on node-2, MISS",
		"Running on node-2, MISS",
		"Running on node-2, READY",
		"CrashLoopBackOff: back-off restarting failed container: no license, MISS",
		`ImagePullBackOff: Failed to pull image "hbr-client": hbr-client is not there, MISS`,
		"Running on node-2, READY",
		"no Pod, MISS",
	})
}

func TestAJobMissesWhatIsUnmounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, enabledNode(node.Config{}))
	w.apply(t, clientSet(t), token("token-1"),
		pv(t, "pv-1", `csi: {driver: csi.example.com, volumeHandle: h}`), shopClaim("", "pv-1"), shopPod(t, ""))
	pod := get[corev1.Pod](t, w, namespace, "web")
	dir := w.mountOf(t, pod, "kubernetes.io~csi/pv-1/mount")
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	prefix := string(pod.UID) + "/volumes/kubernetes.io~csi/pv-1/mount"
	equal(t, "while it is mounted", w.backUp(t, prefix), "COMPLETE")
	if err := errors.Join(w.api.Delete(t.Context(), pod), w.Settle(t.Context())); err != nil {
		t.Fatal(err)
	}
	equal(t, "when it is not", w.backUp(t, prefix), "FAILED SOURCE_NOT_EXIST")
}
