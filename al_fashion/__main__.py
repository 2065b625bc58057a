from al_fashion.cli import main

main()
