// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// certificateLife is longer than any control plane of this package runs.
const certificateLife = 7 * 24 * time.Hour

// authority signs certificates with one that is signed by itself.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// writeServingCertificate writes a certificate for the kube-apiserver at some addresses, signed by itself, and its key.
// Clients take it as their certificate authority.
func writeServingCertificate(certificateFile, keyFile string, addresses []net.IP) (*authority, error) {
	key, err := writePrivateKey(keyFile)
	if err != nil {
		return nil, fmt.Errorf("making the kube-apiserver's key: %w", err)
	}
	template := newCertificate("kube-apiserver", x509.ExtKeyUsageServerAuth)
	template.IPAddresses = addresses
	template.DNSNames = []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
	}
	template.KeyUsage |= x509.KeyUsageCertSign
	template.IsCA = true
	// As a certificate authority it vouches for clients too, and its own usages bound theirs.
	template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	self := &authority{certificate: template, key: key}
	if err := self.sign(certificateFile, template, key); err != nil {
		return nil, fmt.Errorf("making the kube-apiserver's certificate: %w", err)
	}
	return self, nil
}

// writeClientCertificate writes a certificate by which a client is known by its name, and its key.
func (a *authority) writeClientCertificate(certificateFile, keyFile, name string) error {
	key, err := writePrivateKey(keyFile)
	if err != nil {
		return fmt.Errorf("making the key of %s: %w", name, err)
	}
	if err := a.sign(certificateFile, newCertificate(name, x509.ExtKeyUsageClientAuth), key); err != nil {
		return fmt.Errorf("making the certificate of %s: %w", name, err)
	}
	return nil
}

// newCertificate is what all certificates have in common.
func newCertificate(name string, usage x509.ExtKeyUsage) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(certificateLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{usage},
		BasicConstraintsValid: true,
	}
}

// sign signs a certificate of a key and writes it in PEM.
func (a *authority) sign(file string, template *x509.Certificate, key *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

// writeSigningKey writes the key that signs service account tokens.
func writeSigningKey(file string) error {
	if _, err := writePrivateKey(file); err != nil {
		return fmt.Errorf("making the key of service account tokens: %w", err)
	}
	return nil
}

// writeAdminToken writes a static token file (kube-apiserver's --token-auth-file: token, user, uid, groups) with an
// administrator's token, which it returns.
func writeAdminToken(file string) (string, error) {
	token := rand.Text()
	line := token + `,admin,admin,"system:masters"` + "\n"
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		return "", fmt.Errorf("writing the administrator's token: %w", err)
	}
	return token, nil
}

// writePrivateKey makes an ECDSA key and writes it in PEM.
func writePrivateKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	return key, os.WriteFile(file, block, 0o600)
}
