// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// clientQPS and clientBurst lift client-go's limits (5 and 10 a second), which protect shared clusters.
	clientQPS   = 1000
	clientBurst = 2000
)

// KubeconfigContext is the name of the context of a control plane's kubeconfig file.
const KubeconfigContext = "controlplane"

// The files of a control plane, relative to its working folder.
const (
	etcdDir            = "etcd"
	certificateFile    = "apiserver.crt"
	certificateKeyFile = "apiserver.key"
	serviceAccountFile = "service-account.key"
	tokenFile          = "tokens.csv"
	kubeconfigFile     = "kubeconfig"

	kubeletClientFile    = "kubelet-client.crt"
	kubeletClientKeyFile = "kubelet-client.key"
)

// file returns the path of a file of the working folder.
func (cp *ControlPlane) file(name string) string {
	return filepath.Join(cp.dir, name)
}

// startEtcd starts etcd and does not wait for it: the kube-apiserver does.
func (cp *ControlPlane) startEtcd(clientAddress, peerAddress string) error {
	_, err := cp.start("etcd", cp.tools.Etcd,
		"--data-dir="+cp.file(etcdDir),
		"--listen-client-urls=http://"+clientAddress,
		"--advertise-client-urls=http://"+clientAddress,
		"--listen-peer-urls=http://"+peerAddress,
		"--initial-advertise-peer-urls=http://"+peerAddress,
		"--initial-cluster=default=http://"+peerAddress,
		"--unsafe-no-fsync", // a crash of the machine may lose the data, which nobody wants then
		"--logger=zap", "--log-level=warn",
	)
	return err
}

// startAPIServer starts the kube-apiserver, with further args, and waits until it is ready.
func (cp *ControlPlane) startAPIServer(ctx context.Context, etcd, address string, args []string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	p, err := cp.start("kube-apiserver", cp.tools.APIServer, slices.Concat([]string{
		"--etcd-servers=http://" + etcd,
		"--bind-address=" + host,
		"--advertise-address=" + host,
		"--secure-port=" + port,
		"--tls-cert-file=" + cp.file(certificateFile),
		"--tls-private-key-file=" + cp.file(certificateKeyFile),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + cp.file(serviceAccountFile),
		"--service-account-signing-key-file=" + cp.file(serviceAccountFile),
		"--token-auth-file=" + cp.file(tokenFile),
		"--authorization-mode=RBAC",
		"--allow-privileged=true",
		"--profiling=false",
	}, cp.nodeArgs(), args)...)
	if err != nil {
		return err
	}
	discoveryClient, err := discovery.NewDiscoveryClientForConfig(cp.Config)
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	return p.WaitFor(ctx, startTimeout, "the kube-apiserver to be ready", func(ctx context.Context) error {
		return discoveryClient.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

// nodeArgs are the flags of the kube-apiserver that depend on whether there is a node.
func (cp *ControlPlane) nodeArgs() []string {
	if cp.node == nil {
		return []string{
			"--service-cluster-ip-range=10.96.0.0/16",
			"--endpoint-reconciler-type=none", // it refuses to publish a loopback address
		}
	}
	return []string{
		"--service-cluster-ip-range=" + cp.node.Services.String(),
		"--kubelet-client-certificate=" + cp.file(kubeletClientFile),
		"--kubelet-client-key=" + cp.file(kubeletClientKeyFile),
		"--kubelet-preferred-address-types=InternalIP",
	}
}

// startControllerManager starts the kube-controller-manager and waits until it works: the first sign is the service
// account of the namespace default, without which no pod can be created there.
func (cp *ControlPlane) startControllerManager(ctx context.Context) error {
	controllers := "*"
	if cp.node == nil {
		// There are no kubelets: a Node that a test creates would be found dead, and its Pods be deleted.
		controllers += ",-node-lifecycle-controller,-taint-eviction-controller,-pod-garbage-collector-controller"
	}
	p, err := cp.start("kube-controller-manager", cp.tools.ControllerManager,
		"--kubeconfig="+cp.Kubeconfig,
		"--secure-port=0", // serves nothing
		"--leader-elect=false",
		"--service-account-private-key-file="+cp.file(serviceAccountFile),
		"--root-ca-file="+cp.file(certificateFile),
		// By default a folder of the machine, which it makes.
		"--flex-volume-plugin-dir="+cp.file("flexvolume"),
		"--controllers="+controllers,
		// With the default of 20 requests a second the deletion of a namespace takes several seconds.
		"--kube-api-qps=500", "--kube-api-burst=1000",
		// A claim that is seen before its PersistentVolume is bound at the next round. The default is 15 seconds.
		"--pvclaimbinder-sync-period=1s",
		"--profiling=false",
	)
	if err != nil {
		return err
	}
	return p.WaitFor(ctx, startTimeout, "the kube-controller-manager to work", func(ctx context.Context) error {
		key := client.ObjectKey{Namespace: corev1.NamespaceDefault, Name: "default"}
		return cp.Client.Get(ctx, key, &corev1.ServiceAccount{})
	})
}

// configure writes the credentials and the kubeconfig file, and makes the clients, for a kube-apiserver at address.
func (cp *ControlPlane) configure(address string) error {
	if err := cp.writeCertificates(); err != nil {
		return err
	}
	if err := writeSigningKey(cp.file(serviceAccountFile)); err != nil {
		return err
	}
	token, err := writeAdminToken(cp.file(tokenFile))
	if err != nil {
		return err
	}
	certificate, err := os.ReadFile(cp.CertificateAuthority)
	if err != nil {
		return fmt.Errorf("reading the kube-apiserver's certificate: %w", err)
	}
	name := KubeconfigContext
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters[name] = &clientcmdapi.Cluster{
		Server: "https://" + address, CertificateAuthorityData: certificate,
	}
	kubeconfig.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token}
	kubeconfig.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	kubeconfig.CurrentContext = name
	if err = clientcmd.WriteToFile(*kubeconfig, cp.file(kubeconfigFile)); err != nil {
		return fmt.Errorf("writing the kubeconfig file: %w", err)
	}
	cp.Kubeconfig = cp.file(kubeconfigFile)
	cp.Config, cp.Client, err = Connect(cp.Kubeconfig, name)
	return err
}

// writeCertificates writes the kube-apiserver's certificate, and the one that it shows to the kubelet if there is a node.
func (cp *ControlPlane) writeCertificates() error {
	addresses := []net.IP{net.ParseIP(loopback)}
	if cp.node != nil {
		addresses = append(addresses, cp.node.Address.AsSlice(), cp.node.Services.Addr().Next().AsSlice())
	}
	cp.CertificateAuthority = cp.file(certificateFile)
	signer, err := writeServingCertificate(cp.CertificateAuthority, cp.file(certificateKeyFile), addresses)
	if err != nil || cp.node == nil {
		return err
	}
	return signer.writeClientCertificate(cp.file(kubeletClientFile), cp.file(kubeletClientKeyFile), "kube-apiserver-kubelet-client")
}

// Connect returns the configuration and the client that a ControlPlane has, for a context of a kubeconfig file.
func Connect(kubeconfig, kubecontext string) (*rest.Config, client.WithWatch, error) {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig}, &clientcmd.ConfigOverrides{CurrentContext: kubecontext},
	).ClientConfig()
	if err != nil {
		return nil, nil, fmt.Errorf("reading the kubeconfig file: %w", err)
	}
	config.QPS, config.Burst = clientQPS, clientBurst
	// The client would log each warning of the API server with a stack trace, for want of a logger.
	config.WarningHandlerWithContext = rest.NoWarnings{}
	scheme, err := NewScheme()
	if err != nil {
		return nil, nil, err
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, nil, fmt.Errorf("making a client: %w", err)
	}
	return config, c, nil
}
