myServer.setCertificate('certFile.crt', 'keyFile.key', 'rootCertFile.crt', true);
