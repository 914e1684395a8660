// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
)

// Options say how a cluster is made.
type Options struct {
	// Name is the cluster's, at most eight letters and digits.
	Name string
	// Index is a number from 1, by which the addresses of clusters of one machine differ.
	Index int
	// Region and Zone are where the node says that it is.
	Region, Zone string
	// Kubeconfig is the path of a kubeconfig file of a cluster that there is, usually $KUBECONFIG: then that one is used,
	// and nothing is made. It is the context that is called like the cluster. Where there is none, the current context is
	// taken for the cluster whose index is 1.
	Kubeconfig string
	// Progress gets lines for a person before anything that takes long. By default they are dropped.
	Progress io.Writer
}

// Standard are the options of the clusters that tests share: two of them, in different regions.
func Standard() []Options {
	return []Options{
		{Name: "a", Index: 1, Region: "cn-hangzhou", Zone: "cn-hangzhou-h"},
		{Name: "b", Index: 2, Region: "cn-beijing", Zone: "cn-beijing-k"},
	}
}

// Cluster is a running cluster.
type Cluster struct {
	Name string
	// Kubeconfig is the path of a kubeconfig file whose user is in system:masters.
	Kubeconfig string
	// Config is the same as a client-go configuration.
	Config *rest.Config
	// Client reads and writes every object of controlplane.NewScheme, and any other as unstructured. It caches nothing.
	Client client.WithWatch
	// NodeName is the name of the cluster's node.
	NodeName string
	// NodeAddress is the node's address, which this machine, the node's pods and other nodes reach.
	NodeAddress string
	// HostAddress is this machine's address, as nodes and pods reach it. It is not known of a cluster that was there.
	HostAddress string
	// KubeletDir is the kubelet's folder on the node.
	KubeletDir string
	// LogDir is a folder of this machine with the logs of the node's programs, one file for each; those of the control
	// plane are in control-plane/logs beside it.
	LogDir string

	// machine is nil if the cluster was there.
	machine *machine
	network network
}

// names are the names that clusters may have. They are in names of network devices, which are short.
var names = regexp.MustCompile(`^[a-z][a-z0-9]{0,7}$`)

// validate returns an error unless the options describe a cluster.
func (o Options) validate() error {
	if !names.MatchString(o.Name) {
		return fmt.Errorf("%q cannot be the name of a cluster: at most eight lower-case letters and digits can", o.Name)
	}
	if o.Index < 1 || o.Index > maxIndex {
		return fmt.Errorf("cluster %s: its index is %d, and not from 1 to %d", o.Name, o.Index, maxIndex)
	}
	if o.Region == "" || o.Zone == "" {
		return fmt.Errorf("cluster %s: its region or its zone is missing", o.Name)
	}
	return nil
}

// dir is the folder of what a cluster keeps.
func dir(name string) string {
	return filepath.Join(base, name)
}

// Up starts a cluster and returns when its node is ready and its DNS server answers. It outlives this process: end it with
// Down. What it takes some minutes to build the first time, it says. If the cluster runs already, that one is returned; one that has broken is begun anew.
func Up(ctx context.Context, options Options) (*Cluster, error) {
	if options.Progress == nil {
		options.Progress = io.Discard
	}
	if options.Kubeconfig != "" {
		c, err := existing(ctx, options)
		if err != nil {
			return nil, fmt.Errorf("using the cluster of %s: %w", options.Kubeconfig, err)
		}
		return c, nil
	}
	c, err := up(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("starting cluster %s: %w", options.Name, err)
	}
	return c, nil
}

func up(ctx context.Context, options Options) (_ *Cluster, err error) {
	if err := errors.Join(options.validate(), requirements()); err != nil {
		return nil, err
	}
	lock, err := acquire(ctx, options.Name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = lock.Release() }()
	wanted := state{Name: options.Name, Index: options.Index, Region: options.Region, Zone: options.Zone}
	if c, err := running(ctx, wanted); err == nil {
		return c, nil
	} else if !errors.Is(err, errNone) {
		fmt.Fprintf(options.Progress, "cluster %s is begun anew: %s\n", options.Name, err)
	}
	if err := sweep(ctx, options.Name); err != nil {
		return nil, err
	}
	found, err := findPrograms(ctx, options.Progress)
	if err != nil {
		return nil, err
	}
	archives, err := buildImages(ctx, found)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			// Also if the caller has given up.
			err = errors.Join(err, sweep(context.WithoutCancel(ctx), options.Name))
		}
	}()
	start := time.Now()
	fmt.Fprintf(options.Progress, "starting cluster %s, about 20 seconds\n", options.Name)
	c, err := begin(ctx, options, wanted, found, archives)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(options.Progress, "started cluster %s in %s\n", options.Name, time.Since(start).Round(time.Second))
	return c, nil
}

// running returns the wanted cluster if it runs, errNone if there is none, or an error that says why the one there is
// will not do.
func running(ctx context.Context, wanted state) (*Cluster, error) {
	found, err := readState(dir(wanted.Name))
	if err != nil {
		return nil, err
	}
	wanted.Ready, wanted.Holder = true, found.Holder
	if found != wanted {
		return nil, fmt.Errorf("the one there is differs: got %+v, want %+v", found, wanted)
	}
	c, err := connect(found)
	if err != nil {
		return nil, err
	}
	return c, c.healthy(ctx)
}

// begin starts a cluster where nothing is.
func begin(ctx context.Context, options Options, s state, p programs, archives []string) (*Cluster, error) {
	folder, n := dir(options.Name), newNetwork(options.Name, options.Index)
	if err := s.write(folder); err != nil {
		return nil, err
	}
	group, err := newCgroup(cgroups, cgroupName(options.Name))
	if err != nil {
		return nil, err
	}
	m, err := startMachine(ctx, folder, group)
	if err != nil {
		return nil, err
	}
	if err := n.setUp(ctx, m); err != nil {
		return nil, err
	}
	settings := m.newSettings(options, n)
	if settings.CNIPlugins, err = cniPlugins(); err != nil {
		return nil, err
	}
	cp, err := controlplane.Start(ctx, controlplane.Options{
		Tools: p.controlPlane,
		Dir:   m.file("control-plane"),
		Node:  &controlplane.Node{Prefix: m.prefix(), Address: n.node.Addr(), Services: n.services},
	})
	if err != nil {
		return nil, err
	}
	settings.Kubeconfig, settings.CertificateAuthority = cp.Kubeconfig, cp.CertificateAuthority
	if err := settings.write(); err != nil {
		return nil, err
	}
	if err := m.startContainerd(ctx, settings); err != nil {
		return nil, err
	}
	for _, archive := range archives {
		if err := m.load(ctx, archive); err != nil {
			return nil, err
		}
	}
	if err := m.startKubernetes(ctx, settings, p, cp.Client); err != nil {
		return nil, err
	}
	if err := startDNS(ctx, cp.Client, n.dns); err != nil {
		return nil, err
	}
	s.Ready, s.Holder = true, m.holder
	if err := s.write(folder); err != nil {
		return nil, err
	}
	return connect(s)
}

// connect returns the cluster of a state, which may or may not run.
func connect(s state) (*Cluster, error) {
	group, err := newCgroup(cgroups, cgroupName(s.Name))
	if err != nil {
		return nil, err
	}
	m, n := &machine{dir: dir(s.Name), cgroup: group, holder: s.Holder}, newNetwork(s.Name, s.Index)
	c := &Cluster{
		Name:        s.Name,
		Kubeconfig:  m.file("control-plane", "kubeconfig"),
		NodeName:    nodeName(s.Name),
		NodeAddress: n.node.Addr().String(),
		HostAddress: n.host.Addr().String(),
		KubeletDir:  kubeletDir,
		LogDir:      m.file("logs"),
		machine:     m,
		network:     n,
	}
	c.Config, c.Client, err = controlplane.Connect(c.Kubeconfig, controlplane.KubeconfigContext)
	return c, err
}

// healthTimeout bounds the question whether a cluster runs.
const healthTimeout = 5 * time.Second

// healthy returns an error unless all programs of the cluster run, and the API server and the node are ready.
func (c *Cluster) healthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	if err := c.machine.complete(); err != nil {
		return err
	}
	d, err := discovery.NewDiscoveryClientForConfig(c.Config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	if err := d.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error(); err != nil {
		return fmt.Errorf("its API server is not ready: %w", err)
	}
	if err := nodeReady(ctx, c.Client, c.NodeName); err != nil {
		return fmt.Errorf("its node is not ready: %w", err)
	}
	return nil
}

// Open returns a cluster that Up has started, if it runs.
func Open(ctx context.Context, name string) (*Cluster, error) {
	s, err := readState(dir(name))
	if err != nil {
		return nil, fmt.Errorf("opening cluster %s: %w", name, err)
	}
	c, err := running(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("opening cluster %s: %w", name, err)
	}
	return c, nil
}

// Names are the names of the clusters of this machine, in whatever state they are.
func Names() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(base, "*", stateFile))
	if err != nil {
		return nil, fmt.Errorf("looking for clusters: %w", err)
	}
	found := make([]string, 0, len(files))
	for _, file := range files {
		found = append(found, filepath.Base(filepath.Dir(file)))
	}
	return found, nil
}

// LoadImage gives the node an image from an archive, as BuildImage makes it, docker save, or buildah push to docker-archive.
func (c *Cluster) LoadImage(ctx context.Context, archive string) error {
	return c.ours("loading an image", func(m *machine) error { return m.load(ctx, archive) })
}

// CutNetwork cuts the node's wire: the node and its pods reach each other, and nothing else, and nothing reaches them, not
// even the API server, until MendNetwork.
func (c *Cluster) CutNetwork(ctx context.Context) error {
	return c.ours("cutting the network", func(*machine) error {
		return step{"ip", "link", "set", c.network.link, "down"}.run(ctx)
	})
}

// MendNetwork undoes CutNetwork.
func (c *Cluster) MendNetwork(ctx context.Context) error {
	return c.ours("mending the network", func(*machine) error {
		return step{"ip", "link", "set", c.network.link, "up"}.run(ctx)
	})
}

// maxComm is how much of a program's name the kernel tells (TASK_COMM_LEN).
const maxComm = 15

// Kill kills (SIGKILL) the processes of the node and its pods that run a program of this name, and returns how many there
// were. Who looks after them begins them anew.
func (c *Cluster) Kill(program string) (int, error) {
	killed := 0
	err := c.ours("killing "+program, func(m *machine) error {
		ids, err := m.cgroup.processes()
		if err != nil {
			return err
		}
		for _, id := range ids {
			comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", id))
			if err != nil || strings.TrimSpace(string(comm)) != program[:min(len(program), maxComm)] {
				continue // A process that has ended meanwhile is another one that is not killed.
			}
			if err := syscall.Kill(id, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return err
			}
			killed++
		}
		return nil
	})
	return killed, err
}

// errNotOurs says that something cannot be done to a cluster that Up has not made.
var errNotOurs = errors.New("it was there before, and its node is not on this machine")

// ours does something to a cluster that Up has made.
func (c *Cluster) ours(what string, do func(*machine) error) error {
	err := errNotOurs
	if c.machine != nil {
		err = do(c.machine)
	}
	if err != nil {
		return fmt.Errorf("cluster %s: %s: %w", c.Name, what, err)
	}
	return nil
}

// Down ends a cluster and removes all of it, in whatever state it is. If there is none, that is no error.
func Down(ctx context.Context, name string) error {
	if !names.MatchString(name) {
		return fmt.Errorf("there can be no cluster %q", name)
	}
	if err := requireRoot(); err != nil {
		return err
	}
	lock, err := acquire(ctx, name)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }()
	if err := sweep(ctx, name); err != nil {
		return fmt.Errorf("ending cluster %s: %w", name, err)
	}
	return nil
}
