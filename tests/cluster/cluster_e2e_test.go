// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/poll"
)

const (
	helloImage = "tests/hello:1"
	helloPort  = 8080
	nodePort   = 30080
	namespace  = "greeting"
	timeout    = time.Minute
)

// TestCluster takes two clusters through their lives. Their names and addresses are others than those of clusters that
// people or other tests have.
func TestCluster(t *testing.T) {
	options := []Options{
		{Name: "x", Index: 101, Region: "cn-hangzhou", Zone: "cn-hangzhou-h", Progress: os.Stderr},
		{Name: "y", Index: 102, Region: "cn-beijing", Zone: "cn-beijing-k", Progress: os.Stderr},
	}
	clusters := upAll(t, options)
	x, y := clusters[0], clusters[1]

	t.Run("pods run, without privileges", func(t *testing.T) {
		for _, c := range clusters {
			serve(t, c)
		}
	})
	for _, test := range []struct {
		name string
		in   *Cluster
		url  string
		want string
	}{
		{"a pod reaches a Service by its name", x, "http://hello." + namespace + ":80", "hello from x"},
		{"a pod of the cluster beside has its own", y, "http://hello." + namespace + ":80", "hello from y"},
		{"a pod reaches a node of the cluster beside", y, fmt.Sprintf("http://%s:%d", x.NodeAddress, nodePort), "hello from x"},
		{"a pod reaches its own node", x, fmt.Sprintf("http://%s:%d", x.NodeAddress, nodePort), "hello from x"},
		{"a pod reaches this machine", x, listen(t, x.HostAddress), "hello from this machine"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := getFromPod(t, test.in, test.url); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	t.Run("this machine reaches Services and pods", func(t *testing.T) {
		for _, url := range []string{serviceURL(t, x), podURL(t, x)} {
			if got, err := get(t.Context(), url); err != nil || got != "hello from x" {
				t.Errorf("got %q and error %v from %s, want the pod's answer", got, err, url)
			}
		}
	})
	t.Run("the node says where it is", func(t *testing.T) { checkNode(t, y, options[1]) })
	t.Run("a second Up finds the same cluster", func(t *testing.T) {
		before := identity(t, x)
		again, err := Up(t.Context(), options[0])
		if err != nil {
			t.Fatal(err)
		}
		if after := identity(t, again); after != before {
			t.Errorf("got another cluster, %s and not %s", after, before)
		}
	})
	t.Run("a cut network is cut, and whole again when it is mended", func(t *testing.T) { cutAndMend(t, x, y) })
	t.Run("nothing is left after everything was killed", func(t *testing.T) {
		killSome(t, x, "kubelet", "containerd", "sleep", "kube-apiserver", "containerd-shim")
		if _, err := Open(t.Context(), x.Name); err == nil {
			t.Error("a broken cluster was opened")
		}
		checkGone(t, x)
		if _, err := get(t.Context(), serviceURL(t, y)); err != nil {
			t.Errorf("the cluster beside has suffered: %v", err)
		}
	})
	t.Run("a cluster that has broken is begun anew", func(t *testing.T) {
		before := identity(t, y)
		killSome(t, y, "etcd")
		again, err := Up(t.Context(), options[1])
		if err != nil {
			t.Fatal(err)
		}
		if identity(t, again) == before {
			t.Error("got the one that had broken")
		}
	})
	t.Run("nothing is left after Down", func(t *testing.T) { checkGone(t, y) })
}

// upAll starts clusters side by side, and ends them with the test.
func upAll(t *testing.T, options []Options) []*Cluster {
	t.Helper()
	clusters := make([]*Cluster, len(options))
	group, ctx := errgroup.WithContext(t.Context())
	start := time.Now()
	for i, o := range options {
		t.Cleanup(func() {
			if err := Down(context.WithoutCancel(t.Context()), o.Name); err != nil {
				t.Error(err)
			}
		})
		group.Go(func() (err error) {
			clusters[i], err = Up(ctx, o)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d clusters in %s", len(clusters), time.Since(start).Round(time.Second))
	return clusters
}

// serve runs a server in a namespace of restricted pods, and a Service for it.
func serve(t *testing.T, c *Cluster) {
	t.Helper()
	archive, err := BuildImage(t.Context(), Image{
		Name: helloImage, Programs: map[string]string{"/hello": "./tests/cluster/cmd/hello"}, Entrypoint: []string{"/hello"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.LoadImage(t.Context(), archive); err != nil {
		t.Fatal(err)
	}
	pod := newPod("hello", "serve", "hello from "+c.Name)
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
		}},
		pod,
		&corev1.Service{ObjectMeta: pod.ObjectMeta, Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeNodePort,
			Selector: pod.Labels,
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(helloPort), NodePort: nodePort}},
		}},
	} {
		object.SetResourceVersion("") // the pod's metadata serve twice
		if err := c.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	waitForPhase(t, c, pod, corev1.PodRunning)
}

// newPod is a pod that runs hello as restricted Pod Security wants it.
func newPod(name string, args ...string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true), RunAsUser: new(int64(65532)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "hello", Image: helloImage, Args: args,
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

func waitForPhase(t *testing.T, c *Cluster, pod *corev1.Pod, want corev1.PodPhase) {
	t.Helper()
	err := poll.Until(t.Context(), timeout, fmt.Sprintf("pod %s to be %s", pod.Name, want), func(ctx context.Context) error {
		if err := c.Client.Get(ctx, client.ObjectKeyFromObject(pod), pod); err != nil {
			return err
		}
		if pod.Status.Phase != want {
			return fmt.Errorf("it is %s: %+v", pod.Status.Phase, pod.Status.ContainerStatuses)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// getFromPod returns what a pod that asks a URL prints.
func getFromPod(t *testing.T, c *Cluster, url string) string {
	t.Helper()
	pod := newPod("get", "get", url)
	if err := c.Client.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Client.Delete(context.WithoutCancel(t.Context()), pod, client.GracePeriodSeconds(0)); err != nil {
			t.Error(err)
		}
	})
	waitForPhase(t, c, pod, corev1.PodSucceeded)
	clientset, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	output, err := clientset.CoreV1().Pods(namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(output)
}

// listen starts a server on an address of this machine and returns its URL.
func listen(t *testing.T, address string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "hello from this machine")
	}))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// get returns the answer to a request of this machine.
func get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	// A connection that is kept would outlive a cut.
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func serviceURL(t *testing.T, c *Cluster) string {
	t.Helper()
	service := &corev1.Service{}
	if err := c.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "hello"}, service); err != nil {
		t.Fatal(err)
	}
	return "http://" + service.Spec.ClusterIP
}

func podURL(t *testing.T, c *Cluster) string {
	t.Helper()
	pod := &corev1.Pod{}
	if err := c.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "hello"}, pod); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("http://%s:%d", pod.Status.PodIP, helloPort)
}

// identity differs from one cluster to another.
func identity(t *testing.T, c *Cluster) string {
	t.Helper()
	system := &corev1.Namespace{}
	if err := c.Client.Get(t.Context(), client.ObjectKey{Name: metav1.NamespaceSystem}, system); err != nil {
		t.Fatal(err)
	}
	return string(system.UID)
}

func checkNode(t *testing.T, c *Cluster, options Options) {
	t.Helper()
	node := &corev1.Node{}
	if err := c.Client.Get(t.Context(), client.ObjectKey{Name: c.NodeName}, node); err != nil {
		t.Fatal(err)
	}
	got := []string{node.Labels[corev1.LabelTopologyRegion], node.Labels[corev1.LabelTopologyZone], node.Spec.ProviderID}
	want := []string{options.Region, options.Zone, options.Region + ".i-ynode"}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func cutAndMend(t *testing.T, cut, whole *Cluster) {
	t.Helper()
	url, beside := serviceURL(t, cut), serviceURL(t, whole)
	if err := cut.CutNetwork(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := get(t.Context(), url); err == nil {
		t.Errorf("got %q through a cut network", got)
	}
	if err := cut.healthy(t.Context()); err == nil {
		t.Error("the API server answers through a cut network")
	}
	if _, err := get(t.Context(), beside); err != nil {
		t.Errorf("the network of the cluster beside is cut too: %v", err)
	}
	if err := cut.MendNetwork(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := poll.Until(t.Context(), timeout, "the network", func(ctx context.Context) error {
		if _, err := get(ctx, url); err != nil {
			return err
		}
		return cut.healthy(ctx)
	})
	if err != nil {
		t.Error(err)
	}
	pod := &corev1.Pod{}
	if err := cut.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "hello"}, pod); err != nil {
		t.Fatal(err)
	}
	if pod.Status.Phase != corev1.PodRunning || pod.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("the pod has not gone on: %+v", pod.Status)
	}
}

// killSome kills the programs of a cluster that have one of some names.
func killSome(t *testing.T, c *Cluster, names ...string) {
	t.Helper()
	for _, name := range names {
		if killed, err := c.Kill(name); err != nil || killed == 0 {
			t.Fatalf("killed %d programs %s, %v, want one or more", killed, name, err)
		}
	}
}

// checkGone ends a cluster and looks for what may be left of it.
func checkGone(t *testing.T, c *Cluster) {
	t.Helper()
	if err := Down(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	if ids, err := c.machine.cgroup.processes(); err != nil || len(ids) > 0 {
		t.Errorf("processes %v are left (%v)", ids, err)
	}
	for _, hierarchy := range c.machine.cgroup.hierarchies {
		checkMissing(t, filepath.Join(hierarchy, c.machine.cgroup.name))
	}
	checkMissing(t, dir(c.Name))
	checkMissing(t, filepath.Join(devices, c.network.link))
	for _, file := range []string{"/proc/self/mountinfo", "/proc/net/route"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, mark := range []string{dir(c.Name), routeMark(c.network.pods.Addr().As4()), routeMark(c.network.services.Addr().As4())} {
			if strings.Contains(string(content), mark) {
				t.Errorf("%s is left in %s:\n%s", mark, file, content)
			}
		}
	}
}

// routeMark is how /proc/net/route writes an address.
func routeMark(a [4]byte) string {
	return fmt.Sprintf("%02X%02X%02X%02X", a[3], a[2], a[1], a[0])
}

func checkMissing(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left (%v)", path, err)
	}
}
